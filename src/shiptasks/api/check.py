"""Lint, test and scan."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shiptasks.check.plan import KINDS, Command, Kind
from shiptasks.check.plan import plan as _plan
from shiptasks.check.run import CheckResult, Report
from shiptasks.check.run import run as _run
from shiptasks.config.model import Project
from shiptasks.run.events import Bus

__all__ = ["CheckResult", "Command", "Kind", "Report", "apply", "plan"]


def plan(project: Project, kinds: Sequence[Kind] = KINDS, *, names: Collection[str] = ()) -> tuple[Command, ...]:
    """The commands that would run. Raises UsageError for a wrong name, and where there is nothing to run."""
    return _plan(project, kinds, names)


def apply(commands: Sequence[Command], bus: Bus | None = None, *, jobs: int = 0) -> Report:
    """Run them side by side, each to its end. `Report.raise_if_failed()` raises Failed for those that did."""
    return _run(commands, bus or Bus(), jobs=jobs)
