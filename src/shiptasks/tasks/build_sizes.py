"""`inv build.sizes`: how large the images of a build are, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiptasks.tasks._task import project_of, task

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.build.manifest import Manifest
    from shiptasks.build.why import Why
    from shiptasks.config.model import Project


@task(
    group="Look",
    under="build",
    help={
        "version": "version to look at; the latest build when left out",
        "why": "a service: its largest layers, files and folders",
    },
)
def sizes(c: Context, version: str = "", why: str = "", format: str = "text") -> None:
    """Show how large the images are, and why."""
    from shiptasks.build import manifest
    from shiptasks.build import sizes as capability
    from shiptasks.run.run import start

    project = project_of(c)
    if why:
        _known(project, why)
    made = manifest.load(project, version or None)
    with start(project, "build.sizes", version=made.version, format=format) as run:
        if why:
            found = _why(project, made, why)
            run.result = found.data()
            run.show(found.text())
            return
        report = capability.report(project, made)
        run.result = report.data()
        run.show(report.text())
        capability.judge(report, project.build.over_budget, run.bus)


def _known(project: Project, service: str) -> None:
    from shiptasks.config import choose
    from shiptasks.errors import UsageError

    try:
        choose.service(project, service)
    except UsageError as error:
        error.hint = error.hint.replace("--service=", "--why=")
        raise


def _why(project: Project, made: Manifest, service: str) -> Why:
    from shiptasks.build.why import why
    from shiptasks.errors import UsageError
    from shiptasks.run.engine import client

    image = made.image(service)
    if image is None:
        raise UsageError(
            f"the build {made.version} has no image of {service}",
            where=str(project.state_dir),
            now="nothing was run",
            hint=f"inv build --version={made.version} --service={service}",
        )
    with client(now="nothing was changed") as api:
        # By its id, where it is known: the tag may have got another image since.
        return why(api, service, f"{image.name}@{image.digest}" if image.digest else image.image_id)
