"""The shell texts that the host layer itself needs: putting a file, and ending what a script has started."""

from __future__ import annotations

import hashlib
import posixpath

from shiptasks.hosts.base import quote


def ending(group: int) -> str:
    """Shell text that ends a process group: asked to, killed after about 3 s, given up after 1 s more (exit 1).

    Zombies do not count as living: where the first process of a container reaps nobody they stay for ever.
    """
    return f"""
alive() {{
    [ -r /proc/self/stat ] || {{ kill -s 0 -- -{group}; return; }}
    for stat in /proc/[0-9]*/stat; do
        read -r line <"$stat" || continue
        set -- ${{line##*) }}
        [ "$3" = {group} ] && [ "$1" != Z ] && return 0
    done
    return 1
}}
exec 2>/dev/null
kill -s TERM -- -{group}
tries=0
while alive; do
    tries=$((tries + 1))
    [ $tries -eq 60 ] && kill -s KILL -- -{group}
    [ $tries -ge 80 ] && exit 1
    sleep 0.05
done
"""


def check_put(path: str, mode: int) -> None:
    """Raises ValueError for what `put` cannot take."""
    if not posixpath.isabs(path) or path.endswith("/") or "\0" in path or not 0 <= mode <= 0o7777:
        raise ValueError("put needs the absolute path of a file, and a mode")


def start_put(path: str) -> str:
    """Shell text: a new file of mode 600, in the folder of `path`, in `$t`; removed when the script ends early."""
    folder = posixpath.dirname(path)
    template = posixpath.join(folder, ".shiptasks.XXXXXX")
    return (
        f"[ -d {quote(path)} ] && {{ echo 'it is a folder' >&2; exit 1; }}\n"
        f"umask 077\nt=$(mktemp {quote(template)}) || exit\n"
        "trap 'rm -f -- \"$t\"' EXIT; trap 'exit 1' HUP INT TERM\n"
    )


def finish_put(data: bytes, path: str, mode: int) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return (
        'sum=$(sha256sum <"$t") || exit\n'
        f"[ \"${{sum%% *}}\" = {digest} ] || {{ echo 'the checksum differs from what was sent' >&2; exit 1; }}\n"
        f'chmod {mode:o} -- "$t" && mv -f -- "$t" {quote(path)} && trap - EXIT\n'
    )
