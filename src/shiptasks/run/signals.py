"""Being asked to stop: Ctrl-C, SIGTERM and SIGHUP mean the same inside a task, and stop it once.

The first one raises KeyboardInterrupt in the main thread, and the task takes back what it had begun. From then on
signals only answer that this is going on: a CI system that cancels a job sends SIGINT, then SIGTERM, and a hurried
person presses Ctrl-C twice; neither may leave a rollout half-way. Who really wants to leave it so presses Ctrl-C a
third time; SIGTERM never forces, whoever sends it follows with SIGKILL anyway.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from shiptasks.errors import Refused

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FORCES = 3


class _Guard:
    def __init__(self) -> None:
        self.asked = 0

    def handle(self, number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        if self.asked == 1:
            raise KeyboardInterrupt
        if number == signal.SIGINT and self.asked >= _FORCES:
            _say("given up by a third Ctrl-C: what was being taken back is left as it is")
            raise KeyboardInterrupt
        _say("already stopping, and taking back what was begun; press Ctrl-C again to leave it as it is")


_active: _Guard | None = None


@contextmanager
def guarded() -> Iterator[None]:
    """Let the signals that end a process raise KeyboardInterrupt, as described above, until the end of the block.

    Does nothing inside another such block and outside the main thread. Signals that the process was started to ignore
    (`nohup`) stay ignored.
    """
    global _active
    if _active is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _active = _Guard()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, old in before.items():
        if old is not signal.SIG_IGN:
            signal.signal(number, _active.handle)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old if old is not None else signal.SIG_DFL)
        _active = None


def confirm(question: str, *, yes: bool = False) -> None:
    """Ask before something that cannot be undone; return when the answer is yes.

    Raises Refused when it is not, and when nobody can answer because standard input is closed or not a terminal.
    """
    if yes:
        return
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        raise Refused(
            f"this needs a yes: {question}",
            where="standard input is not a terminal, so nobody can be asked",
            now="nothing was changed",
            hint="the same command with --yes",
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("not confirmed", now="nothing was changed")


def _say(text: str) -> None:
    # A signal may come in the middle of a write to a Python stream, which must not be entered twice.
    with suppress(OSError):
        os.write(2, f"\nshiptasks: {text}\n".encode())
