#!/usr/bin/env bash
# Starts PostgreSQL as the official image does: makes the cluster, the user and the database on the first start, runs
# /docker-entrypoint-initdb.d, then becomes `postgres` as user postgres.
set -Eeuo pipefail
shopt -s nullglob

# POSTGRES_X, or the content of the file that POSTGRES_X_FILE names.
setting() {
  local name=$1 default=${2-} file=$1_FILE
  if [ -n "${!name-}" ] && [ -n "${!file-}" ]; then
    echo >&2 "error: both $name and $file are set (but are exclusive)"
    exit 1
  fi
  if [ -n "${!file-}" ]; then
    export "$name=$(<"${!file}")"
    unset "$file"
  else
    export "$name=${!name:-$default}"
  fi
}

run_sql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    echo "$0: running $file"
    case $file in
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) run_sql --dbname "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | run_sql --dbname "$POSTGRES_DB" ;;
      *.sql.xz) xzcat "$file" | run_sql --dbname "$POSTGRES_DB" ;;
      *.sql.zst) zstd -dc "$file" | run_sql --dbname "$POSTGRES_DB" ;;
      *) echo "$0: ignoring $file" ;;
    esac
  done
}

first_start() {
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
    cat >&2 <<-'TEXT'
	Error: Database is uninitialized and superuser password is not specified.
	       You must specify POSTGRES_PASSWORD to a non-empty value for the
	       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".
	TEXT
    exit 1
  fi
  eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"${POSTGRES_INITDB_ARGS-}"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
  export PGPASSWORD=$POSTGRES_PASSWORD
  pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p ${PGPORT:-5432}" -w start
  if [ "$POSTGRES_DB" != postgres ]; then
    run_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db" ;'
  fi
  run_init_files
  pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

if [ "${1:0:1}" = - ]; then
  set -- postgres "$@"
fi
case " $* " in
  " postgres "*" --help "* | " postgres "*" --version "* | " postgres "*" -? "* | " postgres "*" -V "*) ;;
  " postgres "*)
    mkdir -p "$PGDATA"
    if [ "$(id -u)" = 0 ]; then
      find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
      chown postgres /var/run/postgresql
      chmod 700 "$PGDATA"
      exec gosu postgres "${BASH_SOURCE[0]}" "$@"
    fi
    chmod 700 "$PGDATA" || true
    if [ -s "$PGDATA/PG_VERSION" ]; then
      printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
      setting POSTGRES_PASSWORD
      setting POSTGRES_USER postgres
      setting POSTGRES_DB "$POSTGRES_USER"
      setting POSTGRES_INITDB_ARGS
      POSTGRES_HOST_AUTH_METHOD=${POSTGRES_HOST_AUTH_METHOD-}
      first_start
    fi
    ;;
esac
exec "$@"
