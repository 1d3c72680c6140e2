"""`inv lint`, `inv test`, `inv check`: the repository's own commands, side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

from shiptasks.tasks._task import answer, project_of, task, words

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.check.plan import Kind, Options, Stage
    from shiptasks.config.model import Project

_HELP = {
    "only": "stages to run, with commas: lint, lint.ruff, unit",
    "skip": "stages to leave out, with commas",
    "jobs": "most stages at a time; 0: as many as configured, else one a processor",
    "keep_going": "run all stages to their end, even when one fails",
    "fix": "mend what the linters can mend",
    "changed": "lint only files that differ from the default branch, where the tool takes files",
    "no_cache": "run unchanged stages too",
    "shard": "of tests that are split, one part: 2/4",
    "list": "list the stages",
    "plan": "show what would run, and in which order; run nothing",
    "quiet": "say only what fails, and how it ends",
    "verbose": "show all output as it comes",
}


def _help(*names: str) -> dict[str, str]:
    return {name: _HELP[name] for name in names}


@task(
    group="Check",
    help=_help("only", "skip", "jobs", "keep_going", "fix", "changed", "no_cache", "list", "plan", "quiet", "verbose"),
)
def lint(
    c: Context,
    only: str = "",
    skip: str = "",
    jobs: int = 0,
    keep_going: bool = False,
    fix: bool = False,
    changed: bool = False,
    no_cache: bool = False,
    list: bool = False,
    plan: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    format: str = "text",
) -> None:
    """Run the lint commands of pyproject.toml, side by side."""
    wish = {"only": only, "skip": skip, "fix": fix, "changed": changed}
    _run(c, "lint", ("lint",), wish, jobs, keep_going, no_cache, list, plan, quiet, verbose, format)


@task(
    group="Check",
    help=_help("only", "skip", "jobs", "keep_going", "no_cache", "shard", "list", "plan", "quiet", "verbose"),
)
def test(
    c: Context,
    only: str = "",
    skip: str = "",
    jobs: int = 0,
    keep_going: bool = False,
    no_cache: bool = False,
    shard: str = "",
    list: bool = False,
    plan: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    format: str = "text",
) -> None:
    """Run the test commands of pyproject.toml, side by side."""
    wish = {"only": only, "skip": skip, "shard": shard}
    _run(c, "test", ("test",), wish, jobs, keep_going, no_cache, list, plan, quiet, verbose, format)


@task(group="Check", help=_HELP)
def check(
    c: Context,
    only: str = "",
    skip: str = "",
    jobs: int = 0,
    keep_going: bool = False,
    fix: bool = False,
    changed: bool = False,
    no_cache: bool = False,
    shard: str = "",
    list: bool = False,
    plan: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    format: str = "text",
) -> None:
    """Run lint, test, bundle sizes and scans, all side by side."""
    wish = {"only": only, "skip": skip, "fix": fix, "changed": changed, "shard": shard}
    kinds: tuple[Kind, ...] = ("lint", "test", "bundles", "scan")
    _run(c, "check", kinds, wish, jobs, keep_going, no_cache, list, plan, quiet, verbose, format)


def _run(
    c: Context,
    name: str,
    kinds: tuple[Kind, ...],
    wish: Mapping[str, object],
    jobs: int,
    keep_going: bool,
    no_cache: bool,
    list: bool,
    plan: bool,
    quiet: bool,
    verbose: bool,
    format: str,
) -> None:
    from shiptasks.check.plan import plan as planned
    from shiptasks.check.run import How, run
    from shiptasks.errors import UsageError
    from shiptasks.run.reports import reports
    from shiptasks.run.run import start
    from shiptasks.tasks._hooks import hooks_of

    if jobs < 0:
        raise UsageError(f"--jobs={jobs} is not a number of jobs", now="nothing was run", hint="--jobs=0 or more")
    if quiet and verbose:
        raise UsageError("--quiet and --verbose contradict each other", now="nothing was run", hint="give one of them")
    project = project_of(c)
    options = _options(project, kinds, wish)
    stages = planned(project, options)
    if list or plan:
        answer(format, [_data(stage) for stage in stages], _listed(stages) if list else _planned(stages))
        return
    how = How(jobs, keep_going, not no_cache, whole=not (options.only or options.skip or options.shard))
    tools = {stage.id: stage.preset.name if stage.preset else stage.name for stage in stages if stage.kind != "test"}
    with start(project, name, format=format, quiet=quiet, verbose=verbose) as this:
        for listener in reports(this.folder, project.state_dir, project.root, tools):
            this.bus.subscribe(listener)
        hooks = hooks_of(c, project, "check", this.bus, project.hooks.check)
        with hooks.around() if name == "check" else nullcontext():
            report = run(stages, project, this.bus, this.folder, how, hooks=hooks)
            this.result, this.summary = report.data(), report.summary
            report.raise_if_failed(name)


def _options(project: Project, kinds: tuple[Kind, ...], wish: Mapping[str, object]) -> Options:
    from functools import cache

    from shiptasks.check.changed import files
    from shiptasks.check.plan import Options

    @cache
    def differing() -> frozenset[str]:
        return frozenset(files(project.root, default=project.check.base).files)

    return Options(
        kinds=kinds,
        only=words(str(wish.get("only", ""))),
        skip=words(str(wish.get("skip", ""))),
        fix=bool(wish.get("fix")),
        changed=differing if wish.get("changed") else None,
        shard=_part(str(wish.get("shard", ""))),
    )


def _part(text: str) -> tuple[int, int] | None:
    from shiptasks.errors import UsageError

    if not text:
        return None
    match = re.fullmatch(r"([1-9]\d{0,2})/([1-9]\d{0,2})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise UsageError(f"--shard={text} is not a part of a whole", now="nothing was run", hint="such as --shard=2/4")
    return int(match[1]), int(match[2])


def _data(stage: Stage) -> dict[str, object]:
    return {
        "id": stage.id,
        "kind": stage.kind,
        "name": stage.name,
        "command": stage.text,
        "needs": [*stage.needs],
        "containers": [*(stage.tests.containers if stage.tests else ())],
        "advisory": stage.advisory,
        "idle": stage.idle,
    }


def _listed(stages: tuple[Stage, ...]) -> str:
    width = max(len(stage.id) for stage in stages)
    return "\n".join(f"{stage.id:<{width}}  {stage.text}" for stage in stages)


def _planned(stages: tuple[Stage, ...]) -> str:
    """The stages in the waves in which they can begin."""
    from shiptasks.check.order import waves

    lines = []
    for number, wave in enumerate(waves(stages)):
        lines.append("at once, side by side" if number == 0 else f"then, when those before have passed ({number + 1})")
        lines += [f"  {_planned_line(stage)}" for stage in wave]
    return "\n".join(lines)


def _planned_line(stage: Stage) -> str:
    told = [f"needs {', '.join(stage.needs)}"] if stage.needs else []
    if stage.tests and stage.tests.containers:
        told.append(f"starts {', '.join(stage.tests.containers)}")
    if stage.rules and stage.rules.inputs:
        told.append("unless unchanged")
    if stage.advisory:
        told.append("advisory")
    if stage.idle:
        told.append(f"skipped: {stage.idle}")
    return f"{stage.id}: {stage.text}" + (f"  ({'; '.join(told)})" if told else "")
