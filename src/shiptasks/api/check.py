"""Lint, test and scan."""

from __future__ import annotations

from collections.abc import Sequence

from shiptasks.check.plan import KINDS, Kind, Options, Stage
from shiptasks.check.plan import plan as _plan
from shiptasks.check.results import CheckResult, Report
from shiptasks.check.run import How
from shiptasks.check.run import run as _run
from shiptasks.config.model import Project
from shiptasks.run.events import Bus
from shiptasks.run.runlog import new_folder, new_run_id

__all__ = ["CheckResult", "Kind", "Options", "Report", "Stage", "apply", "plan"]


def plan(project: Project, kinds: Sequence[Kind] = KINDS, *, names: Sequence[str] = ()) -> tuple[Stage, ...]:
    """The stages that would run, with what each needs. Raises UsageError for a wrong name, and where there is none."""
    return _plan(project, Options(kinds=tuple(kinds), only=tuple(names)))


def apply(
    project: Project, stages: Sequence[Stage], bus: Bus | None = None, *, jobs: int = 0, keep_going: bool = True
) -> Report:
    """Run them, at most `jobs` at a time. `Report.raise_if_failed()` raises Failed for those that did."""
    folder = new_folder(project.state_dir, new_run_id(), project.keep_runs)
    return _run(stages, project, bus or Bus(), folder, How(jobs=jobs, keep_going=keep_going))
