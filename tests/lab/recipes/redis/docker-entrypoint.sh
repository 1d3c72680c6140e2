#!/bin/sh
# Starts Redis as the official image does: as user redis, reachable from other containers unless told otherwise.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
  set -- redis-server "$@"
fi
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . \! -user redis -exec chown redis '{}' +
  exec gosu redis "$0" "$@"
fi
if [ "$1" = redis-server ]; then
  if [ "$(umask)" = 0022 ]; then
    umask 0077
  fi
  # The official binary is compiled with protected mode off; Debian's has it on.
  case "$*" in
    *protected-mode* | *--version* | *" -v" | *--help*) ;;
    *) if ! { [ -f "${2-}" ] && grep -q '^ *protected-mode' "$2"; }; then set -- "$@" --protected-mode no; fi ;;
  esac
fi
exec "$@"
