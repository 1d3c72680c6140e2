"""The coverage of a run, at its end: put together, compared with what is asked, told as a step of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiptasks.check.results import CheckResult, Report
from shiptasks.check.stage import Place
from shiptasks.errors import Failed, UsageError
from shiptasks.run.events import Bus

if TYPE_CHECKING:
    from shiptasks.check.coverage import Coverage


def covered(report: Report, place: Place, bus: Bus, *, whole: bool) -> tuple[Coverage | None, tuple[str, ...]]:
    """The coverage of all stages that measured some, and why it is not enough.

    A run of a part of the tests, or one in which tests failed, gets its report, but is held to no threshold, and is
    not what later runs are compared with.
    """
    measured = [each for each in report.results if each.coverage or _asked(each)]
    if not measured:
        return None, ()
    from shiptasks.check.coverage import StageCoverage, combine, delta, short
    from shiptasks.check.coverage_model import shown

    project = place.project
    stages = {
        each.stage.id: StageCoverage(
            each.coverage, each.stage.cwd, each.stage.command(place.out(each.stage)), place.environ_of(each.stage)
        )
        for each in measured
    }
    contexts = {name: service.context for name, service in project.services.items()}
    tests = [each for each in report.results if each.stage.kind == "test"]
    counts = whole and all(each.passed for each in tests)
    with bus.step("coverage", stage="test") as step:
        try:
            out = place.folder / "coverage"
            coverage = combine(stages, project.root, contexts, out, project.state_dir / "reports")
        except Failed as error:
            step.outcome, step.detail = ("failed" if counts else "warned"), error.what
            for line in (*filter(None, (error.where, error.hint)), *error.details):
                step.output(line, "stderr")
            return None, (error.what,) if counts else ()
        change = delta(coverage, project.state_dir) if counts else None
        reasons = short(coverage, project.coverage, change) if counts else ()
        told = [f"{shown(coverage.percent)} %", str(change) if change else ""]
        told += ["" if counts else "of a part: held to no threshold", *reasons]
        step.detail = "; ".join(part for part in told if part)
        step.outcome = "failed" if reasons else "ok"
        for name, totals in coverage.services.items():
            step.output(f"{name}: {shown(totals.percent)} %")
        step.output("reports: .shiptasks/reports/coverage/index.html, coverage.xml, lcov.info")
        if counts:
            _remember(coverage, place)
    return coverage, reasons


def _asked(result: CheckResult) -> bool:
    """Whether a stage that has passed should have measured coverage."""
    return result.outcome in ("ok", "warned") and result.stage.tests is not None and result.stage.tests.coverage


def _remember(coverage: Coverage, place: Place) -> None:
    from shiptasks.check.changed import current_branch, default_branch
    from shiptasks.check.coverage import remember
    from shiptasks.check.git import commit_of

    root = place.project.root
    try:
        default = default_branch(root, place.project.check.base)
        if current_branch(root) == default:
            remember(coverage, place.project.state_dir, default, commit_of(root, "HEAD"))
    except (UsageError, Failed):
        return  # no git, no default branch: there is nothing to compare with
