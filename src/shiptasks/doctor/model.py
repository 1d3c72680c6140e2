"""What a look at a machine found, as values, and what it amounts to."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from shiptasks.run.table import table

Outcome = Literal["ok", "warn", "fail", "skip"]
_MARKS: dict[Outcome, str] = {"ok": "ok", "warn": "WARN", "fail": "FAIL", "skip": "skip"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `fail` stops tasks, `warn` may; `remedy` is what to type or do."""

    group: str
    name: str
    outcome: Outcome
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Report:
    """All findings, in the order in which they were looked at."""

    findings: tuple[Finding, ...]

    def count(self, outcome: Outcome) -> int:
        return sum(finding.outcome == outcome for finding in self.findings)

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and something was looked at."""
        return bool(self.findings) and not self.count("fail")

    @property
    def summary(self) -> str:
        """`14 ok, 1 warning, 2 failed, 3 skipped`, without what there is none of."""
        words: dict[Outcome, str] = {"ok": "ok", "warn": "to look at", "fail": "failed", "skip": "skipped"}
        return ", ".join(f"{self.count(outcome)} {word}" for outcome, word in words.items() if self.count(outcome))

    def data(self) -> dict[str, Any]:
        """Plain data, as `inv doctor --format=json` prints it."""
        return {"ok": self.ok, "summary": self.summary, "findings": [asdict(finding) for finding in self.findings]}

    def text(self, *, verbose: bool = False, columns: int = 120) -> str:
        """What is wrong first, each with its remedy; then the rest, if `verbose`, else what was skipped and why."""
        wrong: Sequence[Outcome] = ("fail", "warn")
        parts = [_block(one, columns) for outcome in wrong for one in self.findings if one.outcome == outcome]
        rest = [one for one in self.findings if one.outcome == "skip" or (verbose and one.outcome == "ok")]
        if rest:
            rows = [(_MARKS[one.outcome], one.group, one.name, one.detail) for one in rest]
            parts.append(table(("", "where", "what", "found"), rows))
        return "\n".join(parts)


def _block(one: Finding, columns: int) -> str:
    lines = [f"{_MARKS[one.outcome]}  {one.group}: {one.name}: {one.detail}"]
    if one.remedy:
        lines.append(f"      next: {one.remedy}")
    return "\n".join(
        textwrap.fill(
            line, max(40, columns), subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False
        )
        for line in lines
    )
