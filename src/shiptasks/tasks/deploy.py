"""`inv deploy`, `inv rollback`, `inv status`, `inv down`: an environment's releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shiptasks.tasks._task import project_of, task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from invoke.context import Context

    from shiptasks.deploy import Plan, Status
    from shiptasks.run.run import Run


@task(group="Ship", help={"version": "the build to deploy; the latest one when left out"})
def deploy(c: Context, env: str = "", version: str = "", plan: bool = False, format: str = "text") -> None:
    """Deploy a build; what fails is taken back."""
    _go(c, "deploy", env, version, plan, format)


@task(group="Ship", help={"version": "the release to go back to; the one before the current one when left out"})
def rollback(c: Context, env: str = "", version: str = "", plan: bool = False, format: str = "text") -> None:
    """Go back to the release before, or to that of a version."""
    _go(c, "rollback", env, version, plan, format)


def _go(c: Context, name: str, env: str, version: str, plan_only: bool, format: str) -> None:
    project = project_of(c, env, needs_env=True)
    from shiptasks import deploy as capability
    from shiptasks.run.run import start
    from shiptasks.tasks._hooks import hooks_of

    operation = {"deploy": capability.deploy, "rollback": capability.rollback}[name]
    with start(project, name, environment=env, version=version, format=format) as run:
        hooks = hooks_of(c, project, name, run.bus, getattr(project.hooks, name))
        planned = operation(
            project,
            run.bus,
            version or None,
            plan_only=plan_only,
            show=lambda planned: _show(run, planned),
            hooks=hooks,
        )
        if plan_only:
            run.summary = "only planned, nothing was changed"
        elif not planned.nothing_to_do:
            run.summary = f"{planned.release.version} serves on {env}"


def _show(run: Run, planned: Plan) -> None:
    run.result = planned.to_json()
    run.show(_wrapped(planned.lines()))


def _wrapped(lines: Iterable[str]) -> str:
    """Long lines go on below the words of their first one, not at the edge."""
    import shutil
    import textwrap

    width = max(40, shutil.get_terminal_size((120, 24)).columns)
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent=" " * 10, break_long_words=False, break_on_hyphens=False)
        for line in lines
    )


@task(group="Look")
def status(c: Context, env: str = "", format: str = "text") -> None:
    """Show what runs on each host of an environment."""
    project = project_of(c, env, needs_env=True)
    from shiptasks import deploy as capability
    from shiptasks.errors import Failed
    from shiptasks.run.run import start

    with start(project, "status", environment=env, format=format) as run:
        found = capability.status(project, run.bus)
        run.result = {"purpose": project.purpose, **_status_data(found)}
        run.show(f"{env} is for {project.purpose}\n{_status_text(found)}")
        dead = [state.address for state in found.states if not state.engine]
        if dead:
            raise Failed(
                "no Docker engine answers, so what runs is not known",
                where=", ".join(dead),
                hint="start it on the host, or look at its log",
                details=tuple(state.engine_problem for state in found.states if state.engine_problem),
            )


@task(group="Ship", help={"volumes": "remove the data too: databases, queues, uploads"})
def down(c: Context, env: str = "", volumes: bool = False, yes: bool = False, format: str = "text") -> None:
    """Take the project off the hosts of an environment."""
    project = project_of(c, env, needs_env=True)
    from shiptasks import deploy as capability
    from shiptasks.run.run import start
    from shiptasks.run.signals import confirm

    what = f"take {project.project} off {env} ({', '.join(project.target.hosts)})"
    confirm(f"{what}{', with all its data' if volumes else ', its data stays'}?", yes=yes)
    with start(project, "down", environment=env, format=format) as run:
        capability.down(project, run.bus, volumes=volumes)
        run.summary = f"{project.project} is off {env}"


def _status_data(found: Status) -> dict[str, Any]:
    return {
        "hosts": [
            {
                "host": state.address,
                "version": state.release.version if state.release else None,
                "release": state.current or None,
                "unfinished": state.unfinished.version if state.unfinished else None,
                "containers": [
                    {
                        "name": container.name,
                        "service": container.service,
                        "version": container.version or None,
                        "status": container.status,
                        "health": container.health,
                        "restarts": container.restarts,
                    }
                    for container in state.containers
                ],
            }
            for state in found.states
        ]
    }


def _status_text(found: Status) -> str:
    from shiptasks.run.table import table

    parts = []
    for state in found.states:
        release = state.release
        head = f"{state.address}: {release.version}, since {release.created} by {release.by}" if release else ""
        parts.append(head or f"{state.address}: nothing is deployed")
        if state.unfinished:
            cut = state.unfinished
            parts.append(
                f"  ! the deploy of {cut.version} by {cut.by} was cut off; inv rollback or inv deploy mends it"
            )
        if state.containers:
            rows = [
                (container.name, container.version or "-", container.status, container.health, str(container.restarts))
                for container in state.containers
            ]
            parts.append(table(("container", "version", "status", "health", "restarts"), rows, right=("restarts",)))
    return "\n".join(parts)
