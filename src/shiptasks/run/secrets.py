"""Values that must never be seen: registered once, replaced in everything that is told.

The bus masks each event before any listener sees it, so that terminal, CI log and run log are all clean.
"""

from __future__ import annotations

import dataclasses
import re
import threading
from typing import Any, TypeVar

MASK = "***"
_SHORTEST = 4  # shorter values would blank out half of every log
_SHORTEST_LINE = 8  # of a value of many lines: output comes line by line, so each line is a secret of its own

T = TypeVar("T")


class Secrets:
    """A set of values to be masked. Safe to use from several threads."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Mask `value` from now on. Values shorter than 4 characters are not masked."""
        lines = [line.strip() for line in value.splitlines()]
        wanted = {value, value.strip()} | ({line for line in lines if len(line) >= _SHORTEST_LINE})
        with self._lock:
            self._values |= {each for each in wanted if len(each) >= _SHORTEST}
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mask(self, text: str) -> str:
        """`text` with every registered value replaced by `***`."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def mask_data(self, value: Any) -> Any:
        """The same for plain data: strings, and what is inside mappings and sequences."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, dict):
            return {self.mask_data(key): self.mask_data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.mask_data(item) for item in value)
        return value

    def mask_fields(self, value: T) -> T:
        """The same for a frozen dataclass, such as an event."""
        if self._pattern is None:
            return value
        old = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}  # type: ignore[arg-type]
        changed = {name: new for name, item in old.items() if (new := self.mask_data(item)) != item}
        return dataclasses.replace(value, **changed) if changed else value  # type: ignore[type-var]
