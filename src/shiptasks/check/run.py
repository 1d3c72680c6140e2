"""Runs the stages of a check as one graph, and what comes after them: coverage, hooks, the report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shiptasks.check import times
from shiptasks.check.cached import Cached
from shiptasks.check.covered import covered
from shiptasks.check.plan import Stage
from shiptasks.check.results import CheckResult, Report
from shiptasks.check.stage import Place, failed, run_stage
from shiptasks.errors import Failed, Interrupted, UsageError
from shiptasks.run import leftovers
from shiptasks.run.graph import Node, Outcome, run_graph
from shiptasks.run.hooks import Hooks
from shiptasks.run.text import seconds

if TYPE_CHECKING:
    from shiptasks.config.model import Project
    from shiptasks.run.events import Bus


@dataclass(frozen=True)
class How:
    """How stages are run. `jobs`: most at a time, 0 for what the configuration says."""

    jobs: int = 0
    keep_going: bool = False
    cache: bool = True
    whole: bool = True
    """Whether all tests run: a part of them says nothing about thresholds of the coverage."""


def run(
    stages: Sequence[Stage],
    project: Project,
    bus: Bus,
    folder: Path,
    how: How = How(),
    *,
    environ: Mapping[str, str] = os.environ,
    hooks: Hooks | None = None,
) -> Report:
    """Run the stages; the first failure ends the others, unless told to keep going. Results in the order of the plan.

    What earlier runs left behind when they were killed is removed first. The hooks before lint and before test run
    before the stages; those after, when all stages of that kind have passed. Nothing that a stage has started is left
    when this returns or raises. `folder` is the run's own, `.shiptasks/runs/<id>`.
    """
    kinds = tuple(dict.fromkeys(stage.kind for stage in stages))
    for kind in kinds:
        if hooks is not None:
            hooks.before(kind)
    cached = Cached(project, stages, enabled=how.cache)
    with _place(project, bus, folder, environ) as place:
        known = times.load(project.state_dir)
        nodes = [
            Node(stage.id, partial(_node, stage, place, bus, cached), stage.needs, known.get(stage.id, 1.0))
            for stage in stages
        ]
        outcomes = run_graph(
            nodes,
            jobs=how.jobs or project.check.jobs,
            keep_going=how.keep_going or project.check.keep_going,
            well=lambda result: result.passed,
        )
        results = [_result(stage, outcomes, bus) for stage in stages]
        times.save(project.state_dir, known, {each.stage.id: each.seconds for each in results if each.outcome == "ok"})
        if how.whole:
            cached.prune()
        report = Report(tuple(results))
        if report.slowest:
            told = ", ".join(f"{case.name} {seconds(case.seconds)}" for case in report.slowest)
            bus.notice(f"slowest tests: {told}")
        report = report.with_coverage(*covered(report, place, bus, whole=how.whole))
    for kind in kinds:
        if hooks is not None and not any(result.stage.kind == kind for result in report.failed):
            hooks.after(kind)
    return report


@contextmanager
def _place(project: Project, bus: Bus, folder: Path, environ: Mapping[str, str]) -> Iterator[Place]:
    leftovers.sweep(project.state_dir, bus.notice)
    with leftovers.owned(folder, bus.notice) as lease:
        temporary = leftovers.temporary(folder)
        yield Place(project, folder, temporary, lease, bus.secrets, {**environ, **leftovers.environ(lease)})


def _node(stage: Stage, place: Place, bus: Bus, cached: Cached) -> CheckResult:
    with bus.step(stage.title, stage=stage.kind, alone=stage.alone) as step:
        if stage.idle:
            step.outcome, step.detail = "skipped", stage.idle
            return CheckResult(stage, "skipped", detail=stage.idle)
        out, env = place.out(stage), place.environ_of(stage)
        try:
            known = cached.hit(stage, out, env)
        except (Failed, UsageError) as error:
            return failed(stage, step, error)
        if known is not None:
            step.outcome, step.detail = "cached", known.detail
            return known
        if why := cached.why(stage):
            step.output(f"not as it was when it last passed: {why}")
        try:
            result = run_stage(stage, place, step)
        except Interrupted:
            step.detail = "ended before it had ended by itself"
            raise
        if kept_not := cached.keep(result, out, env):
            step.output(f"its result is not kept: {kept_not}")
        return result


def _result(stage: Stage, outcomes: Mapping[str, Outcome[CheckResult]], bus: Bus) -> CheckResult:
    """What became of a stage; one that never began is told here."""
    outcome = outcomes[stage.id]
    if outcome.value is not None:
        return outcome.value
    if isinstance(outcome.error, Interrupted):
        return CheckResult(stage, "interrupted", detail="ended: another stage had failed")
    if outcome.error is not None:
        raise outcome.error
    why = f"not run: {', '.join(outcome.held_by)} did not pass" if outcome.held_by else "not run: another stage failed"
    with bus.step(stage.title, stage=stage.kind, alone=stage.alone) as step:
        step.outcome, step.detail = "skipped", why
    return CheckResult(stage, "skipped", detail=why)
