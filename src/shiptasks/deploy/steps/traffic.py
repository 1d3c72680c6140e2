"""Steps in which containers change places: started, given traffic, drained, stopped.

The order that loses no request is the strategy's; what each move has to wait for is here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from shiptasks.deploy import health
from shiptasks.deploy.compose import ComposeModel
from shiptasks.deploy.on_host import OnHost
from shiptasks.deploy.steps.base import Sign, Step, words
from shiptasks.errors import Failed
from shiptasks.hosts.base import quote
from shiptasks.hosts.containers import RELEASE_LABEL, observe


@dataclass(frozen=True, kw_only=True)
class Traffic(Step):
    """A step of a strategy: it is about some containers of one service."""

    stage: ClassVar[str] = "rollout"
    containers: tuple[str, ...]
    routed: bool

    @property
    def _shown(self) -> str:
        return ", ".join(self.containers)


@dataclass(frozen=True, kw_only=True)
class Start(Traffic):
    """Create containers of the new image beside the old ones, start them, and wait until they are healthy.

    A container behind the proxy does not carry the service's name in the network: that is the proxy's, and so
    nobody meets a container that is not ready.
    """

    sign: ClassVar[Sign] = "+"
    release: str
    version: str
    total: int
    """Containers of the service that there will be, old and new, running or not."""
    networks: tuple[str, ...]
    """Real names of the networks that its containers are in."""

    def describe(self) -> str:
        return f"start {self._shown} ({self.version}), wait until healthy"

    def apply(self, on: OnHost) -> None:
        scale = quote(f"{self.service}={self.total}")
        script = on.compose(
            self.release,
            f"up --no-start --no-deps --no-recreate --no-build --scale {scale} {quote(self.service)}",
        )
        names = words(self.containers)
        script += f' || exit 1\nfor c in {names}; do docker inspect --format . "$c" >/dev/null || exit 1; done\n'
        for network in self.networks if self.routed else ():
            real = quote(network)
            script += (
                f'for c in {names}; do docker network disconnect {real} "$c" && '
                f'docker network connect --alias "$c" {real} "$c" || exit 1; done\n'
            )
        on.run(script + f"docker start {names}")
        health.wait_for(on, self.containers, self.service)

    def describe_back(self) -> str:
        return f"stop and remove {self._shown}"

    def take_back(self, on: OnHost) -> None:
        # Only these: those of an earlier batch still have traffic when this is taken back.
        # Whose name is only taken, by something that is not of this release, is left alone.
        label = quote(f'{{{{index .Config.Labels "{RELEASE_LABEL}"}}}}')
        # An engine that does not answer is not the same as a container that is not there.
        on.run(
            "docker version >/dev/null || exit 1\n"
            f"for c in {words(self.containers)}; do\n"
            f'  [ "$(docker inspect --format {label} "$c" 2>/dev/null)" = {quote(self.release)} ] || continue\n'
            '  docker stop "$c" >/dev/null; docker rm -f --volumes "$c" || exit 1\ndone'
        )


@dataclass(frozen=True, kw_only=True)
class Route(Traffic):
    """Let the proxy send traffic to new containers, and see that it does."""

    sign: ClassVar[Sign] = "~"
    model: ComposeModel = field(repr=False)

    def describe(self) -> str:
        return f"route {self.service} to {self._shown}"

    def apply(self, on: OnHost) -> None:
        admit(on, self.model, self.service, self.containers)

    def describe_back(self) -> str:
        return f"take {self._shown} out of the traffic"

    def take_back(self, on: OnHost) -> None:
        withdraw(on, self.model, self.service, self.containers)


@dataclass(frozen=True, kw_only=True)
class Drain(Traffic):
    """Take containers out of the traffic, and wait until no request is in flight on them."""

    sign: ClassVar[Sign] = "~"
    model: ComposeModel = field(repr=False)

    def describe(self) -> str:
        return f"drain {self._shown}"

    def apply(self, on: OnHost) -> None:
        withdraw(on, self.model, self.service, self.containers)

    def describe_back(self) -> str:
        return f"give {self._shown} traffic again"

    def take_back(self, on: OnHost) -> None:
        admit(on, self.model, self.service, self.containers)


@dataclass(frozen=True, kw_only=True)
class Stop(Traffic):
    """Stop old containers; they stay until the release is current, for the way back."""

    sign: ClassVar[Sign] = "-"

    def describe(self) -> str:
        return f"stop {self._shown}"

    def apply(self, on: OnHost) -> None:
        on.run(f"docker stop {words(self.containers)}", timeout=600)

    def describe_back(self) -> str:
        return f"start {self._shown} again, wait until healthy"

    def take_back(self, on: OnHost) -> None:
        # Stopped to the end first: a container whose stop was interrupted would still die after it was found healthy.
        on.run(f"docker stop {words(self.containers)} && docker start {words(self.containers)}", timeout=600)
        try:
            health.wait_for(on, self.containers, self.service)
        except Failed:
            # Those that were to replace them run on; these would only start and end beside them, without end.
            others = (one for one in observe(on.session, on.project.project) if one.service == self.service)
            if any(one.running and one.name not in self.containers for one in others):
                on.run(f"docker stop {words(self.containers)}", timeout=600)
            raise


def admit(on: OnHost, model: ComposeModel, service: str, containers: tuple[str, ...]) -> None:
    """Give containers traffic: slot, address, state, confirmation, and only then the file on disk."""
    on.proxy.assign(service, containers)
    # The address that it has now: a slot that held it before it was stopped remembers another.
    addresses = _addresses(on, containers)
    health.until(
        lambda: (
            {slot.container for slot in on.proxy.held(service, containers) if slot.address in addresses}
            == set(containers)
        ),
        timeout=15,
        problem=f"the proxy cannot resolve {', '.join(containers)}",
        where=on.address,
    )
    on.proxy.set_state(service, containers, "ready")
    health.until(
        lambda: {slot.container for slot in on.proxy.held(service, containers) if slot.serving} == set(containers),
        timeout=15,
        problem=f"the proxy's own check does not find {', '.join(containers)} ready",
        where=on.address,
    )
    before = tuple(name for name in on.serving.get(service, ()) if name not in containers)
    on.serving[service] = before + containers
    on.write_proxy_config(model)


def _addresses(on: OnHost, containers: tuple[str, ...]) -> set[str]:
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return set(on.run(f"docker inspect --format {quote(template)} {words(containers)}", quiet=True).stdout.split())


def withdraw(on: OnHost, model: ComposeModel, service: str, containers: tuple[str, ...]) -> None:
    """Take traffic away: drain, nothing in flight, out of the file on disk, out of the rotation."""
    on.proxy.set_state(service, containers, "drain")
    on.serving[service] = tuple(name for name in on.serving.get(service, ()) if name not in containers)

    def drained() -> bool:
        busy = sum(slot.sessions + slot.queued for slot in on.proxy.held(service, containers))
        if busy:
            on.tell(f"{busy} requests in flight")
        return not busy

    limit = on.project.deploy.drain_timeout
    if not health.passes(drained, timeout=limit):
        on.tell(f"still busy after {limit:g} s: cut")
    on.write_proxy_config(model)
    on.proxy.set_state(service, containers, "maint")
