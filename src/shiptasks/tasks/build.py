"""`inv build`: the images of the services, side by side, at one version."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from shiptasks.tasks._task import answer, project_of, task, words

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.build.bake import BuildResult
    from shiptasks.build.plan import BuildPlan


@task(
    group="Ship",
    help={
        "version": "version to build; from the git tag or commit when left out",
        "service": "services to build, separated by commas; all when left out",
        "push": "push to the registry instead of keeping the images in the local engine",
        "plan": "show what would be built, and build nothing; --format=bake: as a bake file",
    },
    choices={"format": ("text", "json", "bake")},
)
def build(
    c: Context,
    version: str = "",
    service: str = "",
    push: bool = False,
    plan: bool = False,
    format: str = "text",
) -> None:
    """Build the images of the services, side by side."""
    from shiptasks.build import bake, engine, manifest, source
    from shiptasks.build.plan import check_sources
    from shiptasks.build.plan import plan as plan_build
    from shiptasks.errors import UsageError
    from shiptasks.run.run import start
    from shiptasks.tasks._hooks import hooks_of

    project = project_of(c)
    sources = source.look(project.root)
    version = version or sources.version()

    def planned(registry_cache: bool) -> BuildPlan:
        return plan_build(
            project,
            version,
            sources.revision,
            services=words(service) if service else None,
            push=push,
            created=sources.created(manifest.now()),
            source=sources.url,
            registry_cache=registry_cache,
        )

    # Wrong input is answered before the engine is asked for anything.
    check_sources(project, planned(registry_cache=False))
    if format == "bake" and not plan:
        raise UsageError(
            "--format=bake is a form of the plan", now="nothing was run", hint="inv build --plan --format=bake"
        )
    if plan and not push:
        _show_plan(planned(registry_cache=False), format)
        return
    found = engine.preflight(project.root)
    made = planned(found.registry_cache)
    if plan:
        _show_plan(made, format)
        return
    with start(project, "build", version=version, format=format) as run:
        hooks = hooks_of(c, project, "build", run.bus, project.hooks.build)
        hooks.about(version=version, revision=sources.revision)
        with hooks.around():
            result = bake.build(project, made, found, run.bus)
        path = manifest.folder(project) / f"{version}.json"
        run.result = {"manifest": str(path), **_data(result)}
        run.summary = f"{len(result.built)} image{'s'[: len(result.built) != 1]} at {version}"
        run.show(_table(result))


def _show_plan(made: BuildPlan, format: str) -> None:
    if format == "bake":
        sys.stdout.write(json.dumps(made.bake(), indent=2) + "\n")
    else:
        answer(format, made.to_json(), "\n".join(made.lines()))


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
            f"{one.cached}/{one.steps}",
        )
        for one in result.built
    ]
    return table(("service", "image", "size", "digest", "time", "cached"), rows, right=("size", "time", "cached"))
