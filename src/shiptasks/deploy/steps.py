"""The steps of a deploy as values: each can say what it is, do it, and take it back.

A plan is made of these and of nothing else; what `--plan` prints is what runs. `take_back` is called for a step that
was begun, in the reverse order, and must be right whether the step ended, failed in the middle, or did nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from shiptasks.deploy import health
from shiptasks.deploy.compose import ComposeModel
from shiptasks.deploy.on_host import OnHost
from shiptasks.deploy.release import HistoryEntry, Release
from shiptasks.errors import Failed
from shiptasks.hosts.base import HostError, quote

Sign = Literal["+", "~", "-", "-/+", "."]
PULL_TIMEOUT = 900.0
MIGRATE_TIMEOUT = 900.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is done on one host. `sign`: + starts, ~ switches, - ends, -/+ replaces, . prepares or checks."""

    sign: ClassVar[Sign] = "."
    stage: ClassVar[str] = ""
    service: str = ""

    def describe(self) -> str:
        """One line, as the plan shows it."""
        raise NotImplementedError

    def apply(self, on: OnHost) -> None:
        """Do it. Raises ShiptasksError; then `take_back` will be called."""
        raise NotImplementedError

    def describe_back(self) -> str:
        """One line on what `take_back` does."""
        return f"take back: {self.describe()}"

    def take_back(self, on: OnHost) -> None:
        """Make it as if it had not been done."""


def _words(names: tuple[str, ...]) -> str:
    return " ".join(quote(name) for name in names)


@dataclass(frozen=True, kw_only=True)
class StageFiles(Step):
    """Put a release's files into its folder on the host."""

    stage: ClassVar[str] = "stage files"
    sign: ClassVar[Sign] = "+"
    release: str
    files: tuple[tuple[str, bytes, int], ...] = field(repr=False)

    def describe(self) -> str:
        return f"put {len(self.files)} files into releases/{self.release}"

    def apply(self, on: OnHost) -> None:
        folder = on.layout.release(self.release)
        on.run(f"mkdir -p {quote(folder)} && chmod 0755 {quote(folder)}")
        for name, content, mode in self.files:
            on.session.put(content, f"{folder}/{name}", mode=mode)

    def describe_back(self) -> str:
        return f"remove releases/{self.release}"

    def take_back(self, on: OnHost) -> None:
        on.run(f"rm -rf {quote(on.layout.release(self.release))}")


@dataclass(frozen=True, kw_only=True)
class Pull(Step):
    """Get images that are not there yet, side by side; those by digest are exactly what was built."""

    stage: ClassVar[str] = "pull"
    sign: ClassVar[Sign] = "+"
    refs: tuple[str, ...]

    def describe(self) -> str:
        return f"pull {', '.join(self.refs)}"

    def apply(self, on: OnHost) -> None:
        pulls = "\n".join(f'docker pull --quiet {quote(ref)} & pids="$pids $!"' for ref in self.refs)
        on.tell(f"{len(self.refs)} images")
        on.run(
            f"pids=\n{pulls}\nfailed=0\nfor p in $pids; do wait $p || failed=1; done\nexit $failed",
            timeout=PULL_TIMEOUT,
        )


@dataclass(frozen=True, kw_only=True)
class Store(Step):
    """See to a service that this repository does not build: a database, a queue. It is never run twice."""

    stage: ClassVar[str] = "stores"
    release: str
    image: str
    action: Literal["create", "start", "recreate"]
    previous: str = ""

    @property
    def sign(self) -> Sign:  # type: ignore[override]
        return "-/+" if self.action == "recreate" else "+"

    def describe(self) -> str:
        if self.action == "recreate":
            return f"replace {self.service} ({self.image}): its definition changed; away for a moment, its volumes stay"
        return f"{self.action} {self.service} ({self.image})"

    def apply(self, on: OnHost) -> None:
        how = "--force-recreate" if self.action == "recreate" else "--no-recreate"
        on.run(on.compose(self.release, f"up --detach --no-deps --no-build {how} {quote(self.service)}"))
        health.wait_for_service(on, self.service)

    def describe_back(self) -> str:
        return (
            f"put the definition of {self.service} back"
            if self.action == "recreate"
            else f"leave {self.service} running"
        )

    def take_back(self, on: OnHost) -> None:
        # What holds data is left running, except that a changed definition goes back to the one before.
        if self.action == "recreate" and self.previous:
            on.run(
                on.compose(self.previous, f"up --detach --no-deps --no-build --force-recreate {quote(self.service)}")
            )
            health.wait_for_service(on, self.service)


@dataclass(frozen=True, kw_only=True)
class EnsureProxy(Step):
    """See to the proxy: that it runs, and that its fixed part fits the configuration."""

    stage: ClassVar[str] = "proxy"
    service: str = "proxy"
    release: str
    image: str
    port: int
    action: Literal["create", "start", "recreate", "reload"]
    previous: str = ""
    model: ComposeModel = field(repr=False)
    old_config: str = field(repr=False, default="")

    @property
    def sign(self) -> Sign:  # type: ignore[override]
        return {"create": "+", "start": "+", "recreate": "-/+", "reload": "~"}[self.action]  # type: ignore[return-value]

    def describe(self) -> str:
        return {
            "create": f"create the proxy ({self.image}) on port {self.port}",
            "start": f"start the proxy ({self.image}) on port {self.port}",
            "recreate": f"replace the proxy ({self.image}, port {self.port}): its definition changed; "
            "no traffic for about two seconds",
            "reload": "reload the proxy: its routes changed",
        }[self.action]

    def apply(self, on: OnHost) -> None:
        on.run(f"mkdir -p {quote(on.layout.proxy)} && chmod 0755 {quote(on.layout.proxy)}")
        on.write_proxy_config(self.model)
        if self.action == "reload":
            self._reload(on)
            return
        how = "--force-recreate" if self.action == "recreate" else "--no-recreate"
        on.run(on.compose(self.release, f"up --detach --no-deps --no-build {how} proxy"))
        health.wait_for_service(on, "proxy")

    def _reload(self, on: OnHost) -> None:
        name = quote(f"{on.project.project}-proxy-1")
        check = f"docker exec {name} haproxy -c -q -f /usr/local/etc/haproxy/haproxy.cfg"
        on.run(f"{check} && docker kill --signal USR2 {name}")
        on.run("sleep 1")
        on.proxy.slots()

    def describe_back(self) -> str:
        return "remove the proxy" if self.action == "create" else "put the proxy back as it was"

    def take_back(self, on: OnHost) -> None:
        if self.action == "create":
            on.run(on.compose(self.release, "rm --stop --force proxy"))
            return
        on.session.put(self.old_config.encode(), f"{on.layout.proxy}/haproxy.cfg", mode=0o644)
        if self.action == "reload":
            self._reload(on)
        elif self.previous:
            on.run(on.compose(self.previous, "up --detach --no-deps --no-build --force-recreate proxy"))
            health.wait_for_service(on, "proxy")


@dataclass(frozen=True, kw_only=True)
class Migrate(Step):
    """Run a service's migration, once a deploy, in a container of its own, before traffic moves."""

    stage: ClassVar[str] = "migrate"
    sign: ClassVar[Sign] = "~"
    release: str
    command: tuple[str, ...]

    def describe(self) -> str:
        return f"run {' '.join(self.command)} in the new {self.service}"

    def apply(self, on: OnHost) -> None:
        try:
            on.run(
                on.compose(
                    self.release, f"run --rm --no-deps --no-TTY {quote(self.service)} {_words(self.command)} </dev/null"
                ),
                timeout=MIGRATE_TIMEOUT,
            )
        except HostError as error:
            raise Failed(
                f"the migration of {self.service} failed: {' '.join(self.command)}",
                where=on.address,
                hint=f"mend the migration, build again, then `inv deploy --env={on.project.environment}`",
                details=error.details,
            ) from error

    def describe_back(self) -> str:
        return "see that no migration is running; what it did to the data stays"

    def take_back(self, on: OnHost) -> None:
        # Only what an interrupt left running: a migration's effect on the data stays.
        on.run(
            "ids=$(docker ps -aq"
            f" --filter {quote(f'label=com.docker.compose.project={on.project.project}')}"
            f" --filter {quote(f'label=shiptasks.release={self.release}')}"
            " --filter label=com.docker.compose.oneoff=True) && "
            '{ [ -z "$ids" ] || docker rm -f $ids; }'
        )


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
        names = _words(self.containers)
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
        on.run(
            f"for c in {_words(self.containers)}; do\n"
            '  docker inspect --format . "$c" >/dev/null 2>&1 || continue\n'
            '  docker stop "$c" >/dev/null; docker rm -f "$c" || exit 1\ndone'
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
        on.run(f"docker stop {_words(self.containers)}", timeout=600)

    def describe_back(self) -> str:
        return f"start {self._shown} again, wait until healthy"

    def take_back(self, on: OnHost) -> None:
        # Stopped to the end first: a container whose stop was interrupted would still die after it was found healthy.
        on.run(f"docker stop {_words(self.containers)} && docker start {_words(self.containers)}", timeout=600)
        health.wait_for(on, self.containers, self.service)


def admit(on: OnHost, model: ComposeModel, service: str, containers: tuple[str, ...]) -> None:
    """Give containers traffic: slot, address, state, confirmation, and only then the file on disk."""
    on.proxy.assign(service, containers)
    health.until(
        lambda: (
            {slot.container for slot in on.proxy.held(service, containers) if slot.address != "0.0.0.0"}
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
    return set(on.run(f"docker inspect --format {quote(template)} {_words(containers)}", quiet=True).stdout.split())


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


@dataclass(frozen=True, kw_only=True)
class Stabilise(Step):
    """Watch the new containers: all stay healthy, none restarts."""

    stage: ClassVar[str] = "stabilise"
    containers: tuple[str, ...]
    seconds: float

    def describe(self) -> str:
        return f"watch {len(self.containers)} new containers for {self.seconds:g} s"

    def apply(self, on: OnHost) -> None:
        health.watch(on, self.containers, self.seconds)


@dataclass(frozen=True, kw_only=True)
class MarkCurrent(Step):
    """Make the release the current one: in the history, and by the link, which is switched by rename."""

    stage: ClassVar[str] = "mark current"
    sign: ClassVar[Sign] = "~"
    release: Release = field(repr=False)
    kind: Literal["deploy", "rollback"]
    entry: HistoryEntry = field(repr=False)
    previous: str = ""

    def describe(self) -> str:
        return f"current -> releases/{self.release.id}"

    def apply(self, on: OnHost) -> None:
        on.run(
            f"printf '%s\\n' {quote(self.entry.to_line())} >> {quote(on.layout.history)} && "
            f": > {quote(on.layout.release(self.release.id))}/deployed && {_link(on, self.release.id)}"
        )

    def describe_back(self) -> str:
        return f"current -> releases/{self.previous}" if self.previous else "no release is current"

    def take_back(self, on: OnHost) -> None:
        line = quote(self.entry.to_line())
        history = quote(on.layout.history)
        on.run(
            f"if [ -e {history} ]; then grep -vxF -e {line} {history} > {history}.new; mv {history}.new {history}; fi\n"
            + (_link(on, self.previous) if self.previous else f"rm -f {quote(on.layout.current)}")
        )


def _link(on: OnHost, release: str) -> str:
    new = quote(f"{on.layout.current}.new")
    # mv -T renames over the link itself; where it is unknown (BSD), -h does the same.
    rename = f"{new} {quote(on.layout.current)}"
    return f"ln -sfn {quote(f'releases/{release}')} {new} && {{ mv -T {rename} 2>/dev/null || mv -fh {rename}; }}"


@dataclass(frozen=True, kw_only=True)
class CleanUp(Step):
    """Remove what nothing needs any more: replaced containers, releases past the limit and their images."""

    stage: ClassVar[str] = "clean up"
    sign: ClassVar[Sign] = "-"
    containers: tuple[str, ...]
    releases: tuple[str, ...]
    refs: tuple[str, ...]

    def describe(self) -> str:
        parts = []
        if self.containers:
            parts.append(f"containers {', '.join(self.containers)}")
        if self.releases:
            parts.append(f"releases {', '.join(self.releases)}")
        return "remove " + "; ".join(parts)

    def apply(self, on: OnHost) -> None:
        script = ""
        if self.containers:
            names = _words(self.containers)
            script += f'for c in {names}; do docker stop "$c" >/dev/null 2>&1; docker rm -f "$c" || failed=1; done\n'
        for release in self.releases:
            script += f"rm -rf {quote(on.layout.release(release))} || failed=1\n"
        for ref in self.refs:
            # An image that something else still uses stays.
            script += f"docker image rm {quote(ref)} >/dev/null 2>&1 || :\n"
        on.run(f"failed=0\n{script}exit $failed")
