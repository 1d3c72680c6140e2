"""`inv log`: the runs that are kept, what one of them told, what a stage of it wrote."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from shiptasks.errors import UsageError
from shiptasks.tasks._task import answer, project_of, task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from shiptasks.run.history import Past
    from shiptasks.run.results import StepResult

_AT_ONCE = 1_000  # lines


@task(
    group="Look",
    help={
        "last": "show what the last run told",
        "run": "show what the run told whose id begins so",
        "stage": "show what a stage of that run wrote, in full: lint.ruff, or all of a kind: test",
    },
)
def log(c: Context, last: bool = False, run: str = "", stage: str = "", format: str = "text") -> None:
    """Show the last runs, or what one of them told."""
    if last and run:
        raise UsageError("--last and --run contradict each other", now="nothing was run", hint="give one of them")
    project = project_of(c)
    from shiptasks.run import history

    with suppress(BrokenPipeError):  # `inv log --last | head`
        if not (last or run or stage):
            _list(history.runs(project.state_dir), format)
            return
        past = history.find(project.state_dir, run)
        if stage:
            found = history.results(past.folder)
            _stages(past, history.stages(found, stage), format)
        else:
            _run(past, format)


def _list(runs: Sequence[Past], format: str) -> None:
    from shiptasks.run.table import table

    if not runs:
        answer(format, [], "no run is kept here yet")
        return
    names = ("run", "when", "task", "environment", "outcome", "time")
    rows = [
        (each.id, _when(each.at), each.task, each.environment, _ended(each), _seconds(each.seconds)) for each in runs
    ]
    answer(format, [_data(each) for each in runs], table(names, rows, right=("time",)))


def _run(past: Past, format: str) -> None:
    from shiptasks.run import history

    if format == "json":
        from shiptasks.run.summary import summary

        told = {**summary(history.results(past.folder)), "outcome": past.outcome}
        answer(format, told, "")
        return
    from shiptasks.run.output import told_again

    sys.stdout.write(f"{past.id}  {_when(past.at)}\n")
    people = told_again(sys.stdout)
    for event in history.told(past.folder):
        people.handle(event)
    if past.exit_code is None:
        sys.stdout.write(f"the run {_ended(past)}\n")


def _stages(past: Past, stages: Sequence[StepResult], format: str) -> None:
    from shiptasks.run import history

    if format == "json":
        from shiptasks.run.summary import step_data

        data = [{**step_data(each), "output": list(history.output(past.folder, each.started.step))} for each in stages]
        answer(format, data, "")
        return
    from itertools import islice

    from shiptasks.run.findings import table
    from shiptasks.run.output import told_again
    from shiptasks.run.text import clean, rule

    people = told_again(sys.stdout)
    for each in stages:
        if len(stages) > 1:
            people.write(((rule(each.started.title, people.columns(), people.marks.rule), "bold"),))
        lines = history.output(past.folder, each.started.step)
        has_told = False
        while some := [clean(line) for line in islice(lines, _AT_ONCE)]:
            people.write_output(None, some)
            has_told = True
        people.write(*table(each.findings, people.columns(), people.marks, most=len(each.findings)))
        if not has_told and not each.findings:
            people.write(((f"{each.started.title} wrote nothing", "dim"),))


def _ended(past: Past) -> str:
    return past.outcome if past.exit_code is not None or past.outcome != "killed" else "was killed"


def _when(at: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else "-"


def _seconds(value: float | None) -> str:
    from shiptasks.run.text import seconds

    return "-" if value is None else seconds(value)


def _data(past: Past) -> dict[str, Any]:
    return {
        "run": past.id,
        "started": round(past.at, 3) or None,
        "task": past.task or None,
        "project": past.project or None,
        "environment": past.environment or None,
        "version": past.version or None,
        "outcome": past.outcome,
        "exit_code": past.exit_code,
        "seconds": None if past.seconds is None else round(past.seconds, 3),
        "summary": past.summary,
    }
