"""Values that must never be seen: registered once, replaced in everything that is told.

The bus masks each event before any listener sees it, so that terminal, CI log and run log are all clean.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import shlex
import threading
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4  # shorter values would blank out half of every log
_SHORTEST_LINE = 8  # of a value of many lines: output comes line by line, so each line is a secret of its own
_SHORTEST_FORM = 8  # encoded forms of short values are found in any text by chance

T = TypeVar("T")


class Secrets:
    """A set of values to be masked. Safe to use from several threads."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Mask `value` from now on, and from 8 characters on also as it stands in URLs, base64, shells and JSON.

        Values shorter than 4 characters are not masked.
        """
        lines = [line.strip() for line in value.splitlines()]
        wanted = {value, value.strip()} | ({line for line in lines if len(line) >= _SHORTEST_LINE})
        for plain in [each for each in wanted if len(each) >= _SHORTEST_FORM]:
            wanted |= {form for form in _forms(plain) if len(form) >= _SHORTEST_FORM}
        with self._lock:
            self._values |= {each for each in wanted if len(each) >= _SHORTEST}
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mask(self, text: str) -> str:
        """`text` with every registered value replaced by `***`."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def mask_lines(self, lines: Sequence[str]) -> Sequence[str]:
        """The same for lines that came at once; a value of many lines that is found among them becomes one `***`."""
        if self._pattern is None:
            return lines
        text = "\n".join(lines)
        masked = self.mask(text)
        return lines if masked == text else masked.split("\n")

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


def _forms(value: str) -> Iterator[str]:
    """The value as other languages write it."""
    raw = value.encode("utf-8", "surrogatepass")
    yield from (quote(raw, safe=""), quote(raw), quote_plus(raw))
    # Single quotes of a shell, quotes of JSON, and Compose's doubled dollar.
    yield from (shlex.quote(value).strip("'"), json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield value.replace("$", "$$")
    yield base64.b64encode(raw).decode()
    for shift, skip in ((0, 0), (1, 2), (2, 3)):
        # In the middle of other text it begins at any third byte: only what its own bytes decide is the same there.
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        own = encoded[skip : len(encoded) - 1 if (shift + len(raw)) % 3 else len(encoded)]
        yield own
        yield own.translate(str.maketrans("+/", "-_"))
