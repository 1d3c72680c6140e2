"""`flock` held by a session's own shell and by whatever that shell runs: the kernel lets go when all of it ended."""

from __future__ import annotations

from shiptasks.hosts.base import HostError, Session, quote

_TAKEN = 75  # EX_TEMPFAIL


def take(session: Session, path: str, number: int, *, wait: float = 0.0, then: str = ":") -> bool:
    """Open a file as descriptor `number` of the session's shell and lock it; False when it stays taken for `wait` s.

    `then` is run in the shell when it is locked. Raises HostError when the file cannot be opened.
    """
    result = session.eval_here(script(path, number, wait=wait, then=then), timeout=wait + 15, check=False)
    if result.exit_code == _TAKEN:
        return False
    if not result.ok:
        raise HostError("the file cannot be locked", details=tuple(result.stderr.splitlines()[-3:]))
    return True


def script(path: str, number: int, *, wait: float = 0.0, then: str = ":") -> str:
    """Shell text for `take`, for `eval` in the shell that is to hold the lock."""
    file = quote(path)
    how = f"-w {wait:g}" if wait else "-n"
    # macOS has no flock(1); perl's flock on the inherited descriptor holds the same lock. A subshell tries to write
    # first: a failing `exec` would end the shell.
    perl = (
        f'open(my $f, ">>&=", {number}) or exit 2; my $end = time + {wait:g}; '
        "until (flock($f, LOCK_EX | LOCK_NB)) { exit 1 if time >= $end; sleep 1 }"
    )
    return (
        f"(: >> {file}) && exec {number}>>{file} && "
        f"{{ if command -v flock >/dev/null 2>&1; then flock {how} {number}; "
        f"else perl -MFcntl=:flock -e {quote(perl)}; fi || (exit {_TAKEN}); }} && {then}"
    )
