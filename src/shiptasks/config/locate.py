"""Where each key and value stands in a TOML text, for messages that point at it.

tomllib gives no positions. This reads text that tomllib has already accepted, so it only has to find where things
begin and end, not whether they are right.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from shiptasks.config.toml import parse

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


@dataclass(frozen=True, order=True)
class Span:
    """A stretch of one line; line and columns count characters from 1, `end` is the column after the last one.

    A value over several lines is the stretch on its first line.
    """

    line: int
    column: int
    end: int


@dataclass(frozen=True)
class Entry:
    """Where a key is written and where its value is; a table's value is where its header or first key names it.

    An item of an array has its value's place as key.
    """

    key: Span
    value: Span


def locate(text: str) -> dict[KeyPath, Entry]:
    """The place of every key, table and array item in `text`, by its path: `("hosts", 0)` is the first item of hosts.

    `text` is valid TOML with `\\n` line ends.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.entries


def enclosing(entries: dict[KeyPath, Entry], path: KeyPath) -> tuple[KeyPath, Entry] | None:
    """The entry of `path` or of the nearest table or array around it, with that one's own path; None for no entry."""
    for length in range(len(path), 0, -1):
        entry = entries.get(path[:length])
        if entry:
            return path[:length], entry
    return None


def repeated(text: str, line: int) -> tuple[KeyPath, Span, Span] | None:
    """The key or table of the statement at `line` that stands in `text` before: its path, its place, the earlier place.

    Up to that statement `text` is valid TOML. None when nothing of it is found before.
    """
    scanner = _Scanner(text)
    try:
        statement = scanner.statement(line)
    except (AssertionError, LookupError):  # what comes after the fault need not be TOML
        return None
    if statement is None:
        return None
    path, span = statement
    for length in range(len(path), 0, -1):
        entry = scanner.entries.get(path[:length])
        if entry:
            return path[:length], span, entry.key
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.entries: dict[KeyPath, Entry] = {}
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lengths: dict[KeyPath, int] = {}  # arrays of tables: how many tables so far

    def document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK_LINES)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK_LINES)

    def statement(self, line: int) -> tuple[KeyPath, Span] | None:
        """Path and place of the key of the statement that `line` is part of; those before it are in `entries`."""
        table: KeyPath = ()
        self._skip(_BLANK_LINES)
        while self.at < len(self.text):
            begin, before, known = self.at, dict(self.entries), dict(self._lengths)
            header = self.text[begin] == "["
            if header:
                table = self._header()
            else:
                self._pair(table)
            if self._span(self.at - 1).line >= line:
                brackets = len(self.text[begin : begin + 2]) - len(self.text[begin : begin + 2].lstrip("["))
                self.at, self.entries, self._lengths = begin + brackets, before, known
                parts = self._key()
                path = tuple(name for name, _ in parts)
                return (path if header else (*table, *path)), parts[-1][1]
            self._skip(_BLANK_LINES)
        return None

    def _header(self) -> KeyPath:
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        parts = self._key()
        self.at += brackets
        path: KeyPath = ()
        for name, span in parts[:-1]:
            path = self._inside((*path, name))
            self.entries.setdefault(path, Entry(span, span))
        name, span = parts[-1]
        path = (*path, name)
        if brackets == 2:
            self.entries.setdefault(path, Entry(span, span))
            self._lengths[path] = self._lengths.get(path, 0) + 1
            path = self._inside(path)
        # A table that a longer header had only implied is pointed at where it has its own.
        self.entries[path] = Entry(span, span)
        return path

    def _inside(self, path: KeyPath) -> KeyPath:
        """The path itself, or that of its latest table when it is an array of tables."""
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _pair(self, table: KeyPath) -> None:
        path = table
        parts = self._key()
        for name, span in parts[:-1]:
            path = (*path, name)
            self.entries.setdefault(path, Entry(span, span))
        name, span = parts[-1]
        path = (*path, name)
        self.at += 1  # the equals sign
        self._skip(_BLANK)
        self.entries[path] = Entry(span, self._value(path))

    def _key(self) -> list[tuple[str, Span]]:
        parts = []
        while True:
            self._skip(_BLANK)
            begin = self.at
            match = _STRING.match(self.text, begin) or _BARE_KEY.match(self.text, begin)
            assert match is not None, "the text is not valid TOML"
            self.at = match.end()
            parts.append((_unquote(match[0]), self._span(begin)))
            self._skip(_BLANK)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _value(self, path: KeyPath) -> Span:
        begin = self.at
        opening = self.text[begin]
        if opening == "[":
            self._items(path)
        elif opening == "{":
            self._inline_table(path)
        elif opening in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)
            self.at = begin + len(self.text[begin : self.at].rstrip())
        return self._span(begin)

    def _items(self, path: KeyPath) -> None:
        self.at += 1
        self._skip(_BLANK_LINES)
        index = 0
        while self.text[self.at] != "]":
            item = (*path, index)
            span = self._value(item)
            self.entries[item] = Entry(span, span)
            index += 1
            self._skip(_BLANK_LINES)
            if self.text[self.at] == ",":
                self.at += 1
                self._skip(_BLANK_LINES)
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        self._skip(_BLANK_LINES)
        while self.text[self.at] != "}":
            self._pair(path)
            self._skip(_BLANK_LINES)
            if self.text[self.at] == ",":
                self.at += 1
                self._skip(_BLANK_LINES)
        self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        assert match is not None, "the text is not valid TOML"
        self.at = match.end()

    def _span(self, begin: int) -> Span:
        """The stretch from `begin` to where the scanner stands now, cut at the end of the first line."""
        line = bisect_right(self._lines, begin)
        start = self._lines[line - 1]
        newline = self.text.find("\n", begin, self.at)
        end = self.at if newline < 0 else newline
        return Span(line, begin - start + 1, end - start + 1)


def _unquote(key: str) -> str:
    if key[0] not in "\"'":
        return key
    if "\\" not in key:
        return key[1:-1]
    return str(parse(f"key = {key}")["key"])
