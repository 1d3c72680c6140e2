"""What tests left behind, as values: cases, their times, which failed, which only passed when they ran again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from shiptasks.plugins.protocols import Finding

Outcome = Literal["passed", "failed", "skipped", "flaky"]
_ORDER: tuple[Outcome, ...] = ("passed", "failed", "flaky", "skipped")


@dataclass(frozen=True)
class TestCase:
    """One test. `name` is as a person knows it; `file` and `line` where the tool says them, relative to the root."""

    __test__ = False  # no test of pytest's

    name: str
    seconds: float
    outcome: Outcome
    message: str = ""
    """Why it failed or was skipped: the first lines."""
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class TestReport:
    """All tests of one stage, in the order in which they ran."""

    __test__ = False

    cases: tuple[TestCase, ...]

    def of(self, outcome: Outcome) -> tuple[TestCase, ...]:
        """The cases that ended so."""
        return tuple(case for case in self.cases if case.outcome == outcome)

    @property
    def passed(self) -> bool:
        """Whether there are tests and none failed; one that is flaky has not."""
        return bool(self.cases) and not self.of("failed")

    @property
    def summary(self) -> str:
        """`12 passed, 1 failed`."""
        counts = ((len(self.of(outcome)), outcome) for outcome in _ORDER)
        return ", ".join(f"{count} {outcome}" for count, outcome in counts if count) or "no tests"


def merged(first: TestReport, again: TestReport) -> TestReport:
    """What `first` amounts to when those of its tests that failed have run once more, as `again`.

    A test that passed then is flaky: it keeps the message of its failure. One that `again` does not have has failed.
    A file that could not be loaded at first is flaky when all of its tests passed; they are added.
    """
    last: dict[str, list[TestCase]] = {}
    for case in again.cases:
        last.setdefault(case.name, []).append(case)
    known = {case.name for case in first.cases}
    cases = []
    for case in first.cases:
        if case.outcome != "failed":
            cases.append(case)
            continue
        reruns = last.get(case.name) or [
            other for other in again.cases if other.name not in known and other.name.startswith(f"{case.name}::")
        ]
        cases.append(_rerun(case, reruns))
    return TestReport((*cases, *(case for case in again.cases if case.name not in known)))


def _rerun(case: TestCase, reruns: Sequence[TestCase]) -> TestCase:
    seconds = case.seconds + sum(other.seconds for other in reruns)
    failed = next((other for other in reruns if other.outcome == "failed"), None)
    if failed is not None:
        return replace(failed, name=case.name, seconds=seconds)
    has_passed = any(other.outcome in ("passed", "flaky") for other in reruns)
    return replace(case, seconds=seconds, outcome="flaky" if has_passed else "failed")


def slowest(reports: Iterable[TestReport], count: int = 5) -> tuple[TestCase, ...]:
    """The tests that took longest, the longest first; those of equal time by name."""
    cases = [case for report in reports for case in report.cases if case.outcome != "skipped" and case.seconds > 0]
    return tuple(sorted(cases, key=lambda case: (-case.seconds, case.name))[:count])


def findings(report: TestReport) -> tuple[Finding, ...]:
    """One for each test that failed, or that only passed when it ran again: of that severity `high`, or `medium`."""
    return tuple(
        Finding(
            file=case.file,
            line=case.line,
            rule=case.name,
            message=_reason(case),
            severity="high" if case.outcome == "failed" else "medium",
        )
        for case in report.cases
        if case.outcome in ("failed", "flaky")
    )


def _reason(case: TestCase) -> str:
    first = next((line.strip() for line in case.message.splitlines() if line.strip()), "it failed")
    return first if case.outcome == "failed" else f"flaky: it passed when it ran again, and before: {first}"
