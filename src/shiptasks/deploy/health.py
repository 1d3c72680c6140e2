"""Waiting for containers, by what the engine says of their own healthcheck.

The wait is derived from the healthcheck itself (start period, interval, retries), so that a slow but good release is
not taken back; a container that ends, restarts or turns unhealthy fails at once. It is shown with its last log lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from shiptasks.deploy.on_host import OnHost
from shiptasks.errors import Failed
from shiptasks.hosts.base import quote
from shiptasks.hosts.containers import Container, observe

_POLL = 0.1
_LOG_LINES = 20
_WITHOUT_CHECK = 60.0


def passes(condition: Callable[[], bool], *, timeout: float) -> bool:
    """Whether a condition becomes true within some seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL)
    return True


def until(condition: Callable[[], bool], *, timeout: float, problem: str, where: str) -> None:
    """Wait for a condition. Raises Failed with the problem when it does not become true in time."""
    if not passes(condition, timeout=timeout):
        raise Failed(f"{problem} within {timeout:g} s", where=where)


def wait_for_service(on: OnHost, service: str) -> None:
    """Wait until every container of a service is healthy. A one-shot that ended with 0 is content."""
    names = tuple(c.name for c in observe(on.session, on.project.project) if c.service == service)
    if not names:
        raise Failed(f"{service} has no container", where=on.address)
    wait_for(on, names, service, may_end=True)


def wait_for(on: OnHost, names: tuple[str, ...], service: str, *, may_end: bool = False) -> None:
    """Wait until containers are healthy; one without a healthcheck only has to run.

    Raises Failed, with the container's last log lines, as soon as one cannot become healthy any more.
    """
    began = time.monotonic()
    end: float | None = None
    while True:
        found = {c.name: c for c in observe(on.session, on.project.project) if c.name in names}
        for name in names:
            if name not in found:
                raise Failed(f"{name} is gone", where=on.address)
        for container in found.values():
            problem = _broken(container, may_end)
            if problem:
                raise Failed(
                    f"{container.name} {problem}",
                    where=f"{on.address}, service {service}",
                    details=_evidence(on, container),
                )
        ready = [c for c in found.values() if _ready(c, may_end)]
        if len(ready) == len(names):
            return
        on.tell(f"healthy {len(ready)}/{len(names)}")
        if end is None:
            limit = on.project.deploy.health_timeout or max(
                (c.check.longest if c.check else _WITHOUT_CHECK for c in found.values()), default=_WITHOUT_CHECK
            )
            end = began + limit
        if time.monotonic() >= end:
            late = next(c for c in found.values() if not _ready(c, may_end))
            raise Failed(
                f"{late.name} is not healthy after {time.monotonic() - began:.0f} s ({late.health})",
                where=f"{on.address}, service {service}",
                details=_evidence(on, late),
            )
        time.sleep(_POLL)


def watch(on: OnHost, names: tuple[str, ...], seconds: float) -> None:
    """See that containers stay as they are for some seconds. Raises Failed, with log lines, when one does not."""
    end = time.monotonic() + seconds
    while True:
        for container in observe(on.session, on.project.project):
            if container.name in names:
                problem = _broken(container, may_end=False)
                if problem:
                    raise Failed(
                        f"{container.name} {problem}",
                        where=f"{on.address}, service {container.service}",
                        details=_evidence(on, container),
                    )
        left = end - time.monotonic()
        if left <= 0:
            return
        on.tell(f"{left:.0f} s left")
        time.sleep(min(0.5, left))


def _ready(container: Container, may_end: bool) -> bool:
    if container.health == "none":
        return container.running or (may_end and container.status == "exited")
    return container.running and container.health == "healthy"


def _broken(container: Container, may_end: bool) -> str:
    """Why a container cannot be waited for any longer; empty while it can."""
    if container.oom_killed:
        return "was killed for want of memory"
    if container.restarts or container.status == "restarting":
        # The exit code of a container that runs again is that of nothing.
        code = f" with exit code {container.exit_code}" if not container.running else ""
        return f"ended{code} and was restarted"
    if container.status in ("exited", "dead"):
        return "" if may_end and container.exit_code == 0 else f"ended with exit code {container.exit_code}"
    if container.status == "running" and container.health == "unhealthy":
        return "is unhealthy"
    return ""


def _evidence(on: OnHost, container: Container) -> tuple[str, ...]:
    """The last probe's output and the last log lines, for the person who reads the error."""
    logs = on.run(f"docker logs --tail {_LOG_LINES} {quote(container.id)} 2>&1", check=False, timeout=20, quiet=True)
    lines = [f"health probe: {line}" for line in container.probe_output.splitlines()[-3:]]
    return (*lines, f"last log lines of {container.name}:", *logs.stdout.splitlines())
