"""What must be true of a host before anything is changed on it: pure, from what was observed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shiptasks.config.model import Project
from shiptasks.deploy.compose import has_proxy
from shiptasks.deploy.release import Release
from shiptasks.deploy.state import HostState
from shiptasks.errors import Refused

OLDEST_ENGINE = (24, 0)
OLDEST_COMPOSE = (2, 20)


def check(project: Project, release: Release, states: Sequence[HostState], *, needs_room: bool = True) -> None:
    """Raises Refused with every problem of every host at once; then nothing has been changed.

    A rollback needs no room: its images are there, and a full disk may be the very reason for it.
    """
    problems = [
        f"{state.address}: {text}"
        for state in states
        for text in problems_of(project, release, state, needs_room=needs_room)
    ]
    if problems:
        raise Refused(
            f"{project.environment} is not ready for a deploy",
            where=", ".join(dict.fromkeys(problem.partition(": ")[0] for problem in problems)),
            now=_now(states),
            hint="mend this, then type the same command again",
            details=tuple(problems),
        )


def _now(states: Sequence[HostState]) -> str:
    serving = next((state.release for state in states if state.release), None)
    return f"nothing was changed; {serving.version} serves on" if serving else "nothing was changed"


def problems_of(project: Project, release: Release, state: HostState, *, needs_room: bool = True) -> Iterator[str]:
    """Each problem of one host for a release, with its remedy."""
    yield from host_problems(project, state, needs_room=needs_room)
    if not state.engine:
        return
    for name, image in release.images.items():
        if image.image_id and not state.has_image(image.ref):
            yield (
                f"the image of {name} is not in this engine any more, and {release.version} was not pushed; "
                f"`inv build --version={release.version}`, then deploy that"
            )


def host_problems(project: Project, state: HostState, *, needs_room: bool = True) -> Iterator[str]:
    """Each problem of one host for any release, with its remedy after a semicolon."""
    if not state.engine:
        yield f"no Docker engine answers ({state.engine_problem or 'docker is not installed'}); install or start it"
        return
    if number(state.engine) < OLDEST_ENGINE:
        yield f"Docker Engine {state.engine} is too old; {OLDEST_ENGINE[0]} or later is needed"
    if not state.compose:
        yield "the engine has no Compose v2; install docker-compose-plugin (Docker) or docker-compose (Debian)"
    elif number(state.compose) < OLDEST_COMPOSE:
        yield f"Docker Compose {state.compose} is too old; {'.'.join(map(str, OLDEST_COMPOSE))} or later is needed"
    if not state.writable:
        yield "the folder of the releases cannot be written to; create it and give it to the user that deploys"
    if needs_room and state.disk_free < project.deploy.min_disk:
        yield (
            f"the disk is nearly full: {state.disk_free / 1e9:.1f} GB free, "
            f"{project.deploy.min_disk / 1e9:.1f} GB needed (deploy.min-disk); make room, e.g. `docker image prune`"
        )
    if has_proxy(project):
        yield from _port(project, state)
    if state.release and state.release.environment != project.environment:
        yield (
            f"this folder holds the environment {state.release.environment}; one host holds a project once: "
            f"`inv down --env={state.release.environment}` first, or another host"
        )
    others = {c.environment for c in state.containers} - {"", project.environment}
    if others:
        yield (
            f"{project.project} runs here already, for the environment {', '.join(sorted(others))}; "
            f"one host holds a project once: `inv down --env={min(others)}` first, or another host"
        )


def _port(project: Project, state: HostState) -> Iterator[str]:
    port = project.proxy.port
    own = f"{project.project}-proxy-1"
    if port in state.listening and own not in state.port_owner.split():
        owner = f"the container {state.port_owner.split()[0]}" if state.port_owner else "another program"
        yield f"port {port} is taken by {owner}; stop that, or choose another: proxy.port"


def number(version: str) -> tuple[int, int]:
    """The first two parts of a version."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
