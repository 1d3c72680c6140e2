"""The lines at the bottom of a terminal that are drawn again and again, while others are written above them.

They are written over, not erased first, in one write, so that nothing flickers; and the terminal is asked for its size
each time, so that they are right when it has been resized.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

_TOGETHER, _DONE = "\x1b[?2026h", "\x1b[?2026l"  # terminals that know it show what is between at once
_REST_OF_LINE, _REST_OF_SCREEN = "\x1b[K", "\x1b[J"


class Region:
    """Draws through `write`. `columns` is the width of the terminal now."""

    def __init__(self, write: Callable[[str], None], columns: Callable[[], int]) -> None:
        self._write = write
        self._columns = columns
        self._widths: list[int] = []  # of the lines that are on the screen

    def draw(self, lines: Sequence[tuple[str, int]], above: str = "") -> None:
        """Show these lines, each with its width, in the place of those from before, and `above` for good above them.

        A line is to be narrower than the terminal: one that reaches its edge may go on in the next.
        """
        if not lines and not self._widths:
            if above:
                self._write(above)
            return
        parts = [_TOGETHER, self._back()]
        if above:
            parts += [_REST_OF_SCREEN, above]
        parts += [f"{line}{_REST_OF_LINE}\n" for line, _ in lines]
        parts += [_REST_OF_SCREEN, _DONE]
        self._widths = [width for _, width in lines]
        self._write("".join(parts))

    def _back(self) -> str:
        """To the first of the lines; a terminal that has become narrower has broken those that were too long."""
        columns = max(self._columns(), 1)
        rows = sum(max(ceil(width / columns), 1) for width in self._widths)
        return f"\r\x1b[{rows}A" if rows else "\r"
