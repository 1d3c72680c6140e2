"""What tests left behind, as values: cases, their times, which failed, which only passed when they ran again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TestCase:
    """One test. `name` is as a person knows it; `file` and `line` where the tool says them, relative to the root."""

    __test__ = False  # no test of pytest's

    name: str
    seconds: float
    outcome: Literal["passed", "failed", "skipped", "flaky"]
    message: str = ""
    """Why it failed or was skipped: the first lines."""
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class TestReport:
    """All tests of one stage, in the order in which they ran."""

    __test__ = False

    cases: tuple[TestCase, ...]
