"""The last lines of an output, in bounded memory: what is shown of a step that failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

LINES = 2_000
"""Lines that are kept, at most."""
CHARACTERS = 1_000_000
"""Characters of all these lines together, at most."""


class Tail:
    """The last lines of what it is given. Lines come many at a time, and are kept so: adding costs little."""

    def __init__(self, lines: int = LINES, characters: int = CHARACTERS) -> None:
        self._most_lines = lines
        self._most_characters = characters
        self._batches: deque[tuple[str, Sequence[str], int]] = deque()
        self._lines = self._characters = self._total = 0

    def __bool__(self) -> bool:
        return self._total > 0

    def extend(self, lines: Sequence[str], tag: str = "") -> None:
        """Add lines after those that are there; `tag` is what `runs` gives back with them."""
        if not lines:
            return
        size = sum(map(len, lines))
        self._batches.append((tag, lines, size))
        self._lines += len(lines)
        self._characters += size
        self._total += len(lines)
        while len(self._batches) > 1:
            _, first, size = self._batches[0]
            enough_lines = self._lines - len(first) >= self._most_lines
            if not enough_lines and self._characters - size < self._most_characters:
                break
            self._batches.popleft()
            self._lines -= len(first)
            self._characters -= size

    def lines(self, count: int | None = None) -> list[str]:
        """The last `count` of the lines that are kept; all of these when None."""
        kept = [line for _, lines in self.runs() for line in lines]
        return kept if count is None else kept[len(kept) - min(count, len(kept)) :]

    def left_out(self, count: int | None = None) -> int:
        """How many lines there were before those that `lines` gives."""
        return self._total - len(self.lines(count))

    def runs(self) -> Iterator[tuple[str, Sequence[str]]]:
        """The same lines, in runs of one tag."""
        over_lines = self._lines - self._most_lines
        over_characters = self._characters - self._most_characters
        last = len(self._batches) - 1
        for number, (tag, lines, _) in enumerate(self._batches):
            start = 0
            most = len(lines) - 1 if number == last else len(lines)  # the last line stays, however long it is
            while start < most and (over_lines > 0 or over_characters > 0):
                over_lines -= 1
                over_characters -= len(lines[start])
                start += 1
            if start < len(lines):
                yield tag, lines[start:]
