"""`inv lint`, `inv test`, `inv check`: the repository's own commands, side by side."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from shiptasks.tasks._task import answer, project_of, task, words

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.check.plan import Kind


@task(group="Check")
def lint(c: Context, only: str = "", jobs: int = 0, plan: bool = False, format: str = "text") -> None:
    """Run the lint commands of pyproject.toml, side by side."""
    _run(c, "lint", ("lint",), only, jobs, plan, format)


@task(group="Check")
def test(c: Context, only: str = "", jobs: int = 0, plan: bool = False, format: str = "text") -> None:  # noqa: PT028 - not of pytest
    """Run the test commands of pyproject.toml, side by side."""
    _run(c, "test", ("test",), only, jobs, plan, format)


@task(group="Check")
def check(c: Context, only: str = "", jobs: int = 0, plan: bool = False, format: str = "text") -> None:
    """Run lint and test, all side by side."""
    _run(c, "check", ("lint", "test", "scan"), only, jobs, plan, format)


def _run(c: Context, name: str, kinds: tuple[Kind, ...], only: str, jobs: int, plan: bool, format: str) -> None:
    from shiptasks.check.plan import plan as planned
    from shiptasks.check.run import run
    from shiptasks.errors import UsageError
    from shiptasks.run.run import start
    from shiptasks.tasks._hooks import hooks_of

    if jobs < 0:
        raise UsageError(f"--jobs={jobs} is not a number of jobs", now="nothing was run", hint="--jobs=0 or more")
    project = project_of(c)
    commands = planned(project, kinds, words(only))
    if plan:
        data = [{"kind": each.kind, "name": each.name, "command": each.text} for each in commands]
        answer(format, data, "\n".join(f"{each.title}: {each.text}" for each in commands))
        return
    with start(project, name, format=format) as this:
        hooks = hooks_of(c, project, "check", this.bus, project.hooks.check)
        with hooks.around() if name == "check" else nullcontext():
            report = run(commands, this.bus, jobs=jobs, hooks=hooks)
            this.result, this.summary = report.data(), report.summary
            report.raise_if_failed()
