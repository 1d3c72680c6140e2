"""One file of configuration, read once: its text, its table, and the place of each of its keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from shiptasks.config.excerpt import excerpt
from shiptasks.config.locate import Entry, KeyPath, Span, enclosing, locate, repeated
from shiptasks.config.toml import parse
from shiptasks.errors import UsageError

NOTHING_RAN = "nothing was run"


@dataclass(frozen=True, eq=False)
class Source:
    """A TOML file. `prefix` is the path of our table in it: `("tool", "shiptasks")` in pyproject.toml."""

    path: Path
    text: str
    document: dict[str, Any]
    prefix: tuple[str, ...] = ()

    @property
    def table(self) -> Any:
        """Our table, or None when the file has none."""
        value: Any = self.document
        for part in self.prefix:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def _entries(self) -> dict[KeyPath, Entry]:
        return locate(self.text)

    def find(self, path: KeyPath, *, key: bool) -> Span | None:
        """Where the value at `path` in our table is written, or its key; the table around it when it is not there."""
        found = enclosing(self._entries, (*self.prefix, *path))
        if found is None:
            return None
        where, entry = found
        return entry.key if key or len(where) < len(self.prefix) + len(path) else entry.value


def shown(path: Path) -> str:
    """The path as people type it: relative where it is below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read(path: Path, prefix: tuple[str, ...] = ()) -> Source:
    """The file as a Source. Raises UsageError for one that cannot be read, is not UTF-8, or is not TOML."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise UsageError(
            f"the configuration cannot be read: {error.strerror or error}", where=shown(path), now=NOTHING_RAN
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"the configuration is not UTF-8 text: byte 0x{error.object[error.start]:02x} in line {line}",
            where=f"{shown(path)}:{line}",
            now=NOTHING_RAN,
            hint="save the file as UTF-8",
        ) from error
    try:
        return Source(path, text, parse(text), prefix)
    except RecursionError as error:
        raise UsageError("the configuration is nested too deeply", where=shown(path), now=NOTHING_RAN) from error
    except ValueError as error:
        raise _invalid(path, text, str(error)) from error


def _invalid(path: Path, text: str, message: str) -> UsageError:
    """tomllib's message in plain words, with the place it names as `file:line:column` and the line shown."""
    match = re.fullmatch(r"(?P<what>.*?)(?: \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\))?",
                         message, re.DOTALL)  # fmt: skip
    what = match["what"] if match else message
    where, details = shown(path), tuple[str, ...]()
    if what != message:
        lines = text.split("\n")
        line = int(match["line"]) if match and match["line"] else len(lines)
        column = int(match["column"]) if match and match["column"] else len(lines[-1]) + 1
        span = Span(line, column, column + 1)
        found = repeated(text, line) if what.startswith(("Cannot overwrite", "Cannot declare")) else None
        if found:
            key, span, first = found
            what = f"{'.'.join(map(str, key))} is here already, in line {first.line}"
        else:
            what = _PLAIN_WORDS.get(what, what)
        where = f"{where}:{span.line}:{span.column}"
        details = excerpt(lines[span.line - 1], span)
    return UsageError(f"not valid TOML: {what[:1].lower()}{what[1:]}", where=where, now=NOTHING_RAN, details=details)


_PLAIN_WORDS = {
    "Invalid value": "expected a value: text stands in quotes",
    "Invalid statement": "expected a key or a table",
    "Illegal character '\\n'": "the quote is not closed in this line",
    "Expected newline or end of document after a statement": "expected the end of the line here",
}
"""tomllib's words that do not say what is wrong."""
