"""LCOV, the form in which coverage of JavaScript and many other languages comes: read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.check.coverage_model import FileCoverage, Files
from shiptasks.check.preset import Unreadable

_LARGEST = 10**15  # a count beyond is no count
_LINES = 10**8
_COUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?(?:[eE]\+?[0-9]{1,2})?")  # large counts come as 1.2e+09


def read(text: str) -> dict[str, FileCoverage]:
    """Coverage by the names of files as they are written there. Records of one file are put together.

    Functions and checksums are left out; what belongs to no file, and kinds of lines that LCOV does not have too.
    Raises Unreadable when a record is broken or cut off, or when there is none.
    """
    files: dict[str, FileCoverage] = {}
    record: _Record | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        kind, _, value = line.strip().partition(":")
        if kind == "SF":
            if record is not None:
                raise Unreadable(f"line {number} of the LCOV report begins a file within another")
            if not value.strip():
                raise Unreadable(f"line {number} of the LCOV report names no file")
            record = _Record(value)
        elif kind == "end_of_record" and record is not None:
            one = record.end()
            files[record.name] = files[record.name] | one if record.name in files else one
            record = None
        elif record is not None:
            try:
                record.add(kind, value)
            except ValueError:
                raise Unreadable(f"line {number} of the LCOV report cannot be read: {line.strip()[:60]!r}") from None
    if record is not None:
        raise Unreadable("the LCOV report ends in the middle of a file: it was cut off")
    if not files:
        raise Unreadable("the LCOV report names no file")
    return files


class _Record:
    """What stands between `SF` and `end_of_record`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lines: dict[int, int] = {}
        self._branches: dict[tuple[int, str], bool] = {}
        self._found, self._taken = 0, 0

    def add(self, kind: str, value: str) -> None:
        """Raises ValueError for a value that is none of its kind."""
        if kind == "DA":
            line, hits = value.split(",")[:2]
            self._lines[_line(line)] = self._lines.get(_line(line), 0) + _count(hits)
        elif kind == "BRDA":
            line, _, rest = value.partition(",")
            name, comma, taken = rest.rpartition(",")
            if not comma:
                raise ValueError(value)
            self._branch(_line(line), name, taken.strip() != "-" and _count(taken) > 0)
        elif kind == "BRF":
            self._found = _count(value)
        elif kind == "BRH":
            self._taken = _count(value)

    def _branch(self, line: int, name: str, taken: bool) -> None:
        key, again = (line, name), 2
        while key in self._branches:  # the names are for people: two branches may share one
            key, again = (line, f"{name} ({again})"), again + 1
        self._branches[key] = taken

    def end(self) -> FileCoverage:
        # Branches that are excluded in the source are counted, and not named.
        more, more_taken = self._found - len(self._branches), self._taken - sum(self._branches.values())
        unnamed = (more, more_taken) if 0 <= more_taken <= more else (0, 0)
        return FileCoverage(self._lines, self._branches, unnamed)


def _line(text: str) -> int:
    number = _count(text)
    if number > _LINES:
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text.strip()):
        raise ValueError(text)
    number = int(float(text))
    if number > _LARGEST:
        raise ValueError(text)
    return number


def write(files: Files) -> str:
    """The same as LCOV, in the order of the files."""
    return "".join(f"{line}\n" for name, one in files.items() for line in _lines(name, one))


def _lines(name: str, one: FileCoverage) -> Iterator[str]:
    totals = one.totals
    reached = {line for line, hits in one.lines.items() if hits}
    yield "TN:"
    yield f"SF:{''.join(char if char.isprintable() else '?' for char in name)}"
    for (line, branch), taken in sorted(one.branches.items()):
        mark = "1" if taken else "0" if line in reached else "-"
        yield f"BRDA:{line},{branch if ',' in branch else f'0,{branch}'},{mark}"
    if totals.branches:
        yield f"BRF:{totals.branches}"
        yield f"BRH:{totals.taken}"
    for line, hits in sorted(one.lines.items()):
        yield f"DA:{line},{hits}"
    yield f"LF:{totals.lines}"
    yield f"LH:{totals.hit}"
    yield "end_of_record"
