"""The output of one step on its way to the listeners: all of it up to a limit, and then only its last lines.

A command that writes without end fills neither the disk under the run log nor anybody's screen; and its last words,
which say why it failed, are still told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from shiptasks.run.tail import Tail

LIMIT = 32_000_000
"""Characters of a step's output that are told as they come."""
MOST_LINES = 500_000
"""Lines of it that are: in the run log each takes a hundred bytes beside its own."""
BEYOND = "[more than 32 MB or 500,000 lines of output: what follows is left out, up to the last lines]"
"""The line that stands where something is missing."""


class Flow:
    """Takes the lines of a step, and gives `tell` those that are to be told. Safe to use from several threads."""

    def __init__(self, tell: Callable[[Sequence[str], Any], None], limit: int = LIMIT) -> None:
        self._tell = tell
        self._room = limit
        self._lines_left = MOST_LINES
        self._beyond: Tail | None = None
        self._lock = threading.Lock()

    def lines(self, lines: Sequence[str], stream: str) -> None:
        with self._lock:
            if self._beyond is not None:
                self._beyond.extend(lines, stream)
                return
            self._room -= sum(map(len, lines)) + len(lines)
            self._lines_left -= len(lines)
            self._tell(lines, stream)
            if self._room < 0 or self._lines_left < 0:
                self._beyond = Tail()
                self._tell((BEYOND,), stream)

    def finish(self) -> None:
        """Tell the last lines of what was held back."""
        with self._lock:
            beyond, self._beyond = self._beyond, None
            if beyond is not None:
                for stream, lines in beyond.runs():
                    self._tell(lines, stream)
