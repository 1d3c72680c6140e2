"""Steps before any traffic moves: files, images, stores, the proxy, migrations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from shiptasks.deploy import health
from shiptasks.deploy.compose import ComposeModel
from shiptasks.deploy.on_host import OnHost
from shiptasks.deploy.steps.base import Sign, Step, words
from shiptasks.errors import Failed
from shiptasks.hosts.base import HostError, quote

PULL_TIMEOUT = 900.0
MIGRATE_TIMEOUT = 900.0


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
                    self.release, f"run --rm --no-deps --no-TTY {quote(self.service)} {words(self.command)} </dev/null"
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
