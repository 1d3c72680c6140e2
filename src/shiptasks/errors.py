"""The errors that people see: a small tree, each class with its exit code.

The codes are part of the command line's contract (docs/exit-codes.md): scripts and CI decide by them.
"""

from __future__ import annotations


class ShiptasksError(Exception):
    """What happened, where, what is true now, and what to type next.

    `what` is one sentence. `where` names a file:line, host or service. `now` says what is true now (what still
    serves). `hint` is the next command to type or thing to do. `details` are further lines, such as the last log
    lines of a failed container, shown indented below.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        now: str = "",
        hint: str = "",
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.now = now
        self.hint = hint
        self.details = details
        self.reported = False  # set when a person has been shown it: nobody shows it twice


class Failed(ShiptasksError):
    """A check, build, deploy or verification failed; nothing was changed, or nothing needed restoring."""

    exit_code = 1


class UsageError(ShiptasksError):
    """Wrong usage or configuration; nothing was run."""

    exit_code = 2


class Refused(ShiptasksError):
    """Refused by a lock, a preflight check, an unknown host key, a window or a policy; nothing was changed."""

    exit_code = 3


class FailedRestored(ShiptasksError):
    """It failed, and the previous state was restored."""

    exit_code = 4


class FailedNotRestored(ShiptasksError):
    """It failed, and the previous state could not be restored."""

    exit_code = 5


class Interrupted(ShiptasksError):
    """Ended by Ctrl-C or SIGTERM; what had been changed was restored."""

    exit_code = 130
