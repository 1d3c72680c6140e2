"""The containers of a Compose project on a host, as values, observed in one round trip.

Only the fields that are asked for leave the host: `docker inspect` in full would carry the environment, and with it
secrets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from shiptasks.hosts.base import HostError, Session, quote

Health = Literal["healthy", "unhealthy", "starting", "none"]

PROXY = "proxy"
"""Compose service of the proxy that a deploy runs beside the project's own."""

RELEASE_LABEL = "shiptasks.release"
ENVIRONMENT_LABEL = "shiptasks.environment"
VERSION_LABEL = "shiptasks.version"
DEFINITION_LABEL = "shiptasks.definition"

# One JSON object a container. The health log holds the output of the last probes: the reason of a failure. Without a
# healthcheck the key is missing, and `.Config.Healthcheck` would be an error that loses the container.
_FORMAT = (
    '{"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Config.Image}},"image_id":{{json .Image}},'
    '"labels":{{json .Config.Labels}},"state":{{json .State}},"restarts":{{json .RestartCount}},'
    '"check":{{json (index .Config "Healthcheck")}},"networks":{{json .NetworkSettings.Networks}}}'
)


@dataclass(frozen=True)
class HealthCheck:
    """The healthcheck that a container was created with; times in seconds, the engine's defaults filled in."""

    interval: float = 30.0
    timeout: float = 30.0
    start_period: float = 0.0
    retries: int = 3

    @property
    def longest(self) -> float:
        """Seconds after which a container that is not yet healthy cannot be expected to be.

        The engine calls it unhealthy after `retries` failures in a row that ended after the start period.
        """
        return self.start_period + (self.retries + 1) * (self.interval + self.timeout)


@dataclass(frozen=True)
class Container:
    """A container as the engine describes it."""

    id: str
    name: str
    service: str
    number: int
    image: str
    image_id: str
    release: str
    version: str
    definition: str
    status: str
    """created, running, paused, restarting, removing, exited or dead."""
    health: Health
    """`none` where the container has no healthcheck: then nothing is known, which is not the same as healthy."""
    restarts: int
    exit_code: int
    oom_killed: bool
    started_at: str
    check: HealthCheck | None
    probe_output: str
    """What the last health probe wrote."""
    environment: str = ""
    """Environment that it was deployed for; empty for one that shiptasks did not start."""

    @property
    def running(self) -> bool:
        return self.status == "running"


def observe(session: Session, project: str) -> tuple[Container, ...]:
    """All containers of a Compose project, running or not, in order of service and number.

    One-off containers (`compose run`) are left out. Raises HostError when the engine does not answer.
    """
    script = (
        "ids=$(docker ps -aq --no-trunc"
        f" --filter {quote(f'label=com.docker.compose.project={project}')}"
        " --filter label=com.docker.compose.oneoff=False) || exit 1\n"
        '[ -n "$ids" ] || exit 0\n'
        "exec 3>&1\n"
        # A container that is removed between the two commands is not an error; anything else is.
        f"wrong=$(docker inspect --format {quote(_FORMAT)} $ids 2>&1 >&3 | grep -vi 'no such') || exit 0\n"
        "printf '%s\\n' \"$wrong\" >&2; exit 1\n"
    )
    result = session.run(script, timeout=30)
    return parse(result.stdout)


def parse(text: str) -> tuple[Container, ...]:
    """Containers from lines of `docker inspect` in this module's format. Raises HostError on anything else."""
    containers = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            containers.append(_container(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HostError(f"docker inspect wrote something unreadable: {line[:120]!r}") from error
    return tuple(sorted(containers, key=lambda c: (c.service, c.number, c.id)))


def _container(raw: dict[str, Any]) -> Container:
    labels: dict[str, str] = raw["labels"] or {}
    state = raw["state"]
    health = state.get("Health") or {}
    log = health.get("Log") or []
    number = labels.get("com.docker.compose.container-number", "0")
    return Container(
        id=raw["id"],
        name=raw["name"].lstrip("/"),
        service=labels.get("com.docker.compose.service", ""),
        number=int(number) if number.isdigit() else 0,
        image=raw["image"],
        image_id=raw["image_id"],
        release=labels.get(RELEASE_LABEL, ""),
        version=labels.get(VERSION_LABEL, ""),
        definition=labels.get(DEFINITION_LABEL, ""),
        status=state["Status"],
        health=_health(health.get("Status")),
        restarts=int(raw["restarts"]),
        exit_code=int(state["ExitCode"]),
        oom_killed=bool(state["OOMKilled"]),
        started_at=state["StartedAt"],
        check=_check(raw["check"]),
        probe_output=str(log[-1].get("Output", "")).strip() if log else "",
        environment=labels.get(ENVIRONMENT_LABEL, ""),
    )


def _health(status: object) -> Health:
    return status if status in ("healthy", "unhealthy", "starting") else "none"


def _check(raw: dict[str, Any] | None) -> HealthCheck | None:
    if not raw or not raw.get("Test") or raw["Test"] == ["NONE"]:
        return None
    default = HealthCheck()

    def seconds(key: str, otherwise: float) -> float:
        return raw.get(key, 0) / 1e9 or otherwise

    return HealthCheck(
        interval=seconds("Interval", default.interval),
        timeout=seconds("Timeout", default.timeout),
        start_period=seconds("StartPeriod", default.start_period),
        retries=raw.get("Retries", 0) or default.retries,
    )
