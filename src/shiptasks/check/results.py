"""What a check amounts to: the result of each stage, in the order of the plan, and the report of them all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shiptasks.check.reports import TestCase, TestReport, slowest
from shiptasks.errors import Failed

if TYPE_CHECKING:
    from shiptasks.check.bundle import BundleReport
    from shiptasks.check.coverage import Coverage
    from shiptasks.check.plan import Stage

Outcome = Literal["ok", "failed", "warned", "skipped", "cached", "interrupted"]
_WORDS: dict[Outcome, str] = {
    "ok": "passed",
    "cached": "unchanged",
    "warned": "with warnings",
    "failed": "failed",
    "interrupted": "ended early",
    "skipped": "skipped",
}
_SLOW = 1.0


@dataclass(frozen=True)
class CheckResult:
    """What one stage did. `exit_code` is None when nothing was started; `detail` is its own last word.

    `failed` fails the check. An advisory stage that failed is `warned`; so is one that took longer than its budget, or
    whose tests only passed when they ran again. `interrupted` was ended because another one had failed.
    """

    stage: Stage
    outcome: Outcome
    exit_code: int | None = None
    seconds: float = 0.0
    detail: str = ""
    findings: int = 0
    tests: TestReport | None = None
    coverage: tuple[Path, ...] = ()
    """What was measured: data files of coverage.py and LCOV files."""
    bundle: BundleReport | None = None

    @property
    def passed(self) -> bool:
        """Whether stages that need this one may run."""
        return self.outcome in ("ok", "warned", "cached") or (self.outcome == "skipped" and bool(self.stage.idle))

    def data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        stage = self.stage
        return {
            "id": stage.id,
            "kind": stage.kind,
            "name": stage.name,
            "command": stage.text,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "detail": self.detail,
            "advisory": stage.advisory,
            "findings": self.findings,
            "tests": dict(Counter(case.outcome for case in self.tests.cases)) if self.tests else None,
        }


@dataclass(frozen=True)
class Report:
    """The results of all stages, in the order of the plan, and what they measured together."""

    results: tuple[CheckResult, ...]
    coverage: Coverage | None = None
    short: tuple[str, ...] = ()
    """Why the coverage is not enough; empty when it is."""

    def with_coverage(self, coverage: Coverage | None, short: tuple[str, ...]) -> Report:
        return replace(self, coverage=coverage, short=short)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.results if result.outcome == "failed")

    @property
    def slowest(self) -> tuple[TestCase, ...]:
        """The tests that took longest, of those that took a second or more."""
        found = slowest(result.tests for result in self.results if result.tests)
        return tuple(case for case in found if case.seconds >= _SLOW)

    @property
    def summary(self) -> str:
        """`1 of 5 failed`, `4 passed, 1 unchanged`; with the coverage where it was measured."""
        counts = Counter(result.outcome for result in self.results)
        told = [f"{counts[outcome]} {word}" for outcome, word in _WORDS.items() if counts[outcome]]
        if self.coverage is not None:
            from shiptasks.check.coverage_model import shown

            told.append(f"coverage {shown(self.coverage.percent)} %")
        return ", ".join(told)

    def data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "stages": [result.data() for result in self.results],
            "coverage": self.coverage.data() if self.coverage else None,
            "slowest": [{"name": case.name, "seconds": round(case.seconds, 3)} for case in self.slowest],
            "bundles": {each.stage.name: each.bundle.data() for each in self.results if each.bundle},
        }

    def raise_if_failed(self, task: str = "check") -> None:
        """Raise Failed, naming what failed and how to run it alone."""
        if not self.failed and self.short:
            raise Failed(f"the coverage is not enough: {self.short[0]}", details=self.short[1:], now="all tests passed")
        if not self.failed:
            return
        names = ", ".join(result.stage.title for result in self.failed)
        only = ",".join(dict.fromkeys(result.stage.id for result in self.failed))
        count = f"{len(self.failed)} of {len(self.results)} stages failed"
        raise Failed(f"{count}: {names}", details=self.short, hint=f"inv {task} --only={only}")
