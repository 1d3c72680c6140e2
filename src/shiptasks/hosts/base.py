"""What a host is to everything else: a place where scripts run and files are put, over SSH or on this machine.

One contract, several implementations (ssh.py, local.py); tests/hosts runs the same tests on each. Scripts are
POSIX shell, written by this project: whatever comes from outside is passed through `quote` first.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from shiptasks.errors import Failed

OnLine = Callable[[str, str], None]
"""Called with each line of output as it comes, without its end, and `stdout` or `stderr`."""


def quote(text: str) -> str:
    """`text` as one word of a POSIX shell: the one way by which outside text gets into a script."""
    if "\0" in text:
        raise ValueError("a NUL character cannot be part of a shell word")
    return shlex.quote(text)


@dataclass(frozen=True)
class Result:
    """What a script did: its exit code, what it wrote, and how long it took in seconds."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


class HostError(Failed):
    """A host could not be reached, or did not do what it was asked to."""


class ScriptFailed(HostError):
    """A script ended with an exit code other than 0; `result` is all that it left."""

    def __init__(
        self, what: str, *, result: Result, where: str = "", hint: str = "", details: tuple[str, ...] = ()
    ) -> None:
        super().__init__(what, where=where, hint=hint, details=details)
        self.result = result


class StepTimeout(HostError):
    """A script ran longer than it may; it has been ended on the host, with everything that it had started."""


class Cancelled(HostError):
    """A script was ended by `cancel` from another thread."""


class Session(Protocol):
    """A kept-open shell on a host: many scripts for the price of one channel.

    Each script runs in a subshell with its own exit code, standard input closed unless `stdin` is given, the
    connection kept. A session is used by one thread at a time.
    """

    def run(
        self,
        script: str,
        *,
        stdin: bytes | None = None,
        timeout: float | None = None,
        check: bool = True,
        on_line: OnLine | None = None,
    ) -> Result:
        """Run a script to its end. `timeout` in seconds; `stdin` is for secrets and files.

        Raises ScriptFailed when `check` and the exit code is not 0 (its details are the last lines of stderr),
        StepTimeout, Cancelled, and HostError when the connection is lost. After a timeout, a cancellation or an
        interrupt the session is closed.
        """

    def eval_here(self, script: str, *, timeout: float | None = None, check: bool = True) -> Result:
        """Run a script in the session's own shell, so that what it sets stays: variables, open files, locks.

        For `exec 9>>lock; flock -n 9`. It must not redirect the shell's own output, nor end the shell.
        Raises as `run` does.
        """

    def put(self, data: bytes, path: str, *, mode: int = 0o644) -> None:
        """Write a file atomically: same folder, checksum compared, then renamed.

        `path` is absolute and its folder must exist. Raises HostError; the file is then as it was before.
        """

    @property
    def running(self) -> bool:
        """True while a script runs, in whatever thread."""

    def cancel(self) -> None:
        """End the running script, with everything that it had started, from another thread.

        The `run` that waits for it raises Cancelled, and the session is closed.
        """

    def close(self) -> None:
        """End the shell and what it still runs. Safe to call twice."""

    def __enter__(self) -> Session: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Host(Protocol):
    """A machine that services are deployed to."""

    @property
    def name(self) -> str:
        """How people know it: the entry in the configuration, without the user."""

    @property
    def is_local(self) -> bool:
        """True where no network lies between: images built here are there already."""

    def session(self) -> Session:
        """Open a new shell. Several may be open at once. Raises HostError, or Refused for a host key."""

    def cancel(self) -> None:
        """End the scripts that run now, in every session, from another thread. Idle sessions stay as they are."""

    def close(self) -> None:
        """Close the connection and every session on it."""
