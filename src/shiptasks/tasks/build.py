"""`inv build`: the images of the services, side by side, at one version."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiptasks.tasks._task import answer, project_of, task, words

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.build.bake import BuildResult
    from shiptasks.build.plan import BuildPlan


@task(
    group="Ship",
    help={
        "version": "version to build; from CI's event, the git tag or the commit when left out",
        "service": "services to build, separated by commas; all when left out",
        "push": "push to the registry instead of keeping the images in the local engine",
        "platform": "platforms to build for, separated by commas, instead of those of the services",
        "no_skip": "build unchanged services too",
        "event_file": "a JSON file that says what is built, instead of CI's variables and git",
        "plan": "show what would be built, and build nothing; --format=bake: as a bake file, github: as a matrix",
    },
    choices={"format": ("text", "json", "bake", "github")},
)
def build(
    c: Context,
    version: str = "",
    service: str = "",
    push: bool = False,
    platform: str = "",
    no_skip: bool = False,
    event_file: str = "",
    plan: bool = False,
    format: str = "text",
) -> None:
    """Build the images of the services, side by side."""
    import os

    from shiptasks.build import bake, builder, engine, manifest, sizes
    from shiptasks.build.login import credentials, login
    from shiptasks.build.plan import check_sources
    from shiptasks.build.prepare import Asked, prepare
    from shiptasks.build.secrets import values_of
    from shiptasks.errors import UsageError
    from shiptasks.run.run import start
    from shiptasks.tasks._hooks import hooks_of

    project = project_of(c)
    asked = Asked(
        version=version,
        services=words(service) if service else None,
        push=push,
        platforms=words(platform),
        event_file=Path(event_file) if event_file else None,
    )
    # Wrong input is answered before the engine is asked for anything.
    first = prepare(project, asked)
    check_sources(project, first.plan)
    if format in ("bake", "github") and not plan:
        raise UsageError(
            f"--format={format} is a form of the plan",
            now="nothing was run",
            hint=f"inv build --plan --format={format}",
        )
    if plan and not push:
        _show_plan(first.plan, format)
        return
    found = engine.preflight(project.root)
    settings = project.build.builder
    capable = builder.capabilities(project.root, found, settings)
    create = builder.creation(settings) if capable is None else None
    made = prepare(project, asked, capable or builder.expected(found, settings))
    if plan:
        _show_plan(made.plan, format, create.line() if create else "")
        return
    known = credentials(project.build.login, os.environ) if push else None
    with start(project, "build", version=made.plan.version, format=format) as run:
        hooks = hooks_of(c, project, "build", run.bus, project.hooks.build)
        hooks.about(version=made.plan.version, revision=made.plan.revision)
        with hooks.around():
            for value in values_of(project, [target.service for target in made.plan.targets], os.environ):
                run.secrets.add(value)
            if create is not None:
                create.apply(project.root, run.bus)
                capable = builder.capabilities(project.root, found, settings)
                made = prepare(project, asked, capable)  # only now is it known what the builder can do
            if known is not None:
                login(project.registry, *known, run.bus)
            result = bake.build(
                project,
                made.plan,
                found,
                run.bus,
                builder=builder.builder_option(settings),
                native=capable.native if capable else "",
                skip=not no_skip,
                dirty=made.dirty,
            )
            report = sizes.report(project, result.manifest)
            path = manifest.folder(project) / f"{made.plan.version}.json"
            run.result = {"manifest": str(path), **_data(result), "sizes": report.data()}
            run.summary = _summary(result)
            run.show(_table(result))
            if made.event.on_default_branch and not made.dirty:
                sizes.remember(project, report)
            sizes.judge(report, project.build.over_budget, run.bus)


def _summary(result: BuildResult) -> str:
    count = len(result.built)
    kept = sum(one.unchanged for one in result.built)
    told = f"{count} image{'s'[: count != 1]} at {result.manifest.version}"
    return f"{told}, {kept} of them unchanged" if kept else told


def _show_plan(made: BuildPlan, format: str, first: str = "") -> None:
    if format == "bake":
        sys.stdout.write(json.dumps(made.bake(), indent=2) + "\n")
    elif format == "github":
        sys.stdout.write(json.dumps(made.matrix()) + "\n")
    else:
        answer(format, made.to_json(), "\n".join((*filter(None, (first,)), *made.lines())))


def _data(result: BuildResult) -> dict[str, Any]:
    return {
        "version": result.manifest.version,
        "revision": result.manifest.revision,
        "images": [
            {
                "service": one.image.service,
                "image": one.image.ref,
                "image_id": one.image.image_id,
                "digest": one.image.digest,
                "size": one.image.size,
                "seconds": round(one.seconds, 3),
                "cached_steps": one.cached,
                "steps": one.steps,
                "unchanged": one.unchanged,
                "tags": list(one.image.tags),
            }
            for one in result.built
        ],
    }


def _table(result: BuildResult) -> str:
    from shiptasks.run.table import size, table
    from shiptasks.run.text import seconds

    rows = [
        (
            one.image.service,
            f"{one.image.name}:{one.image.tag}",
            size(one.image.size),
            one.image.digest or "not pushed",
            seconds(one.seconds),
            "unchanged" if one.unchanged else f"{one.cached}/{one.steps}",
        )
        for one in result.built
    ]
    return table(("service", "image", "size", "digest", "time", "cached"), rows, right=("size", "time", "cached"))
