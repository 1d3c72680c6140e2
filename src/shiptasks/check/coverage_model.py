"""Coverage as values, whatever tool measured it: lines and branches of files, and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Totals:
    """Counts that percentages are made of, as coverage.py makes them: lines and branches alike."""

    lines: int = 0
    hit: int = 0
    branches: int = 0
    taken: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.lines + other.lines, self.hit + other.hit, self.branches + other.branches, self.taken + other.taken
        )

    @property
    def percent(self) -> float:
        """0 to 100; 100 where there is nothing to cover."""
        count = self.lines + self.branches
        return 100.0 * (self.hit + self.taken) / count if count else 100.0

    def data(self) -> dict[str, Any]:
        """Plain data, for JSON; percent is not rounded."""
        return {
            "percent": self.percent,
            "lines": self.lines,
            "lines_covered": self.hit,
            "branches": self.branches,
            "branches_covered": self.taken,
        }


@dataclass(frozen=True)
class FileCoverage:
    """What was reached of one file."""

    lines: Mapping[int, int] = field(default_factory=dict)
    """How often each line ran; lines that cannot run are not in it."""
    branches: Mapping[tuple[int, str], bool] = field(default_factory=dict)
    """Whether each branch was taken, by its line and its name there."""
    unnamed: tuple[int, int] = (0, 0)
    """Branches of which the tool tells only how many there are, and how many of them count as taken."""

    @property
    def totals(self) -> Totals:
        return Totals(
            len(self.lines),
            sum(1 for hits in self.lines.values() if hits),
            len(self.branches) + self.unnamed[0],
            sum(self.branches.values()) + self.unnamed[1],
        )

    @property
    def missed(self) -> tuple[int, ...]:
        """The lines that never ran."""
        return tuple(sorted(line for line, hits in self.lines.items() if not hits))

    def __or__(self, other: FileCoverage) -> FileCoverage:
        """What both runs reached together."""
        lines = dict(self.lines)
        for line, hits in other.lines.items():
            lines[line] = lines.get(line, 0) + hits
        branches = dict(self.branches)
        for branch, taken in other.branches.items():
            branches[branch] = branches.get(branch, False) or taken
        (count, taken_here), (count_there, taken_there) = self.unnamed, other.unnamed
        return FileCoverage(lines, branches, (max(count, count_there), max(taken_here, taken_there)))


Files = Mapping[str, FileCoverage]
"""Coverage by file, relative to the root, with `/`; absolute for one that is outside of it."""


@dataclass(frozen=True)
class Coverage:
    """The coverage of a whole run, and of each service that has a folder of its own."""

    files: Files
    whole: Totals
    services: Mapping[str, Totals]

    @property
    def percent(self) -> float:
        """That of the whole run, 0 to 100."""
        return self.whole.percent

    def data(self) -> dict[str, Any]:
        """Totals of the whole run and of the services as plain data, for JSON."""
        return {
            **self.whole.data(),
            "services": {name: totals.data() for name, totals in self.services.items()},
        }


def united(parts: Iterable[Files]) -> dict[str, FileCoverage]:
    """All files of the parts, in the order of their names; what several measured is what they reached together."""
    files: dict[str, FileCoverage] = {}
    for part in parts:
        for name, one in part.items():
            files[name] = files[name] | one if name in files else one
    return dict(sorted(files.items()))


def total(files: Files) -> Totals:
    return sum((one.totals for one in files.values()), Totals())


def summed(files: Files, contexts: Mapping[str, str]) -> Coverage:
    """The coverage with that of each service. A file belongs to those with the deepest folder that it is in.

    `contexts` are the folders of the services relative to the root; `.` is the root.
    """
    folders = {
        name: tuple(part for part in context.split("/") if part not in ("", ".")) for name, context in contexts.items()
    }
    owned: dict[str, dict[str, FileCoverage]] = {name: {} for name in contexts}
    for path, one in files.items():
        if path.startswith("/"):
            continue
        parts = tuple(path.split("/"))
        around = {name: len(folder) for name, folder in folders.items() if parts[: len(folder)] == folder}
        for name, depth in around.items():
            if depth == max(around.values()):
                owned[name][path] = one
    return Coverage(files, total(files), {name: total(part) for name, part in owned.items()})


def shown(percent: float, digits: int = 1) -> str:
    """`81.3`. As with coverage.py, `0.0` is nothing at all and `100.0` is everything: rounding never makes either."""
    least = 1 / 10**digits
    if 0 < percent < least:
        percent = least
    elif 100 - least < percent < 100:
        percent = 100 - least
    return f"{percent:.{digits}f}"
