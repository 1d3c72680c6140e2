"""The configuration of deploying: services as they run, the proxy, the places, times and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import Field, model_validator

from shiptasks.config.hook import StageHooks, TaskHooks
from shiptasks.config.section import Section
from shiptasks.config.types import Conflicts, HostAddresses, HostPath, HttpPath, HttpPaths, RelativePath, Url, Words
from shiptasks.config.values import Duration, HostAddress, Image, Size


class ServiceRun(Section):
    """What `[tool.shiptasks.services.<name>]` says of running the service."""

    replicas: int = Field(default=1, ge=1, le=32)
    """Containers of this service on each host."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Port inside the container that the proxy sends traffic to. Needed by `routes`."""
    health: HttpPath | None = None
    """HTTP path that answers 200 when the service is ready; the proxy checks it, and verify reads the version there."""
    routes: HttpPaths = ()
    """Path prefixes that the proxy sends to this service; the longest that matches wins. Empty: no traffic."""
    migrate: Words = ()
    """Command that runs once a deploy, in a one-off container of the new image, before traffic moves."""
    stop_first: bool = False
    """Stop the old container before the new one starts, for a service that must never run twice."""

    @model_validator(mode="after")
    def _routes_need_a_port(self) -> ServiceRun:
        if self.routes and (self.port is None or self.health is None):
            raise Conflicts((("routes",), "a service with routes needs `port` and `health`: the proxy must know both"))
        return self


_Run = TypeVar("_Run", bound=ServiceRun)


def routes_are_apart(services: Mapping[str, _Run]) -> Mapping[str, _Run]:
    """The services. Raises Conflicts when two of them claim one route."""
    found, claimed = [], dict[str, str]()
    for name, service in services.items():
        for index, route in enumerate(service.routes):
            first = claimed.setdefault(route.rstrip("/"), name)
            if first != name:
                found.append(((name, "routes", index), f'the route "{route}" is already that of service `{first}`'))
    if found:
        raise Conflicts(*found)
    return services


class Proxy(Section):
    """`[tool.shiptasks.proxy]`: the HAProxy container that decides, on each host, who gets traffic."""

    image: Image = Image("haproxy:3.0")
    """Image of HAProxy 2.6 or later."""
    port: int = Field(default=80, ge=1, le=65535)
    """Port published on the host."""
    timeout: Duration = Duration("60s")
    """Longest silence in the middle of a request, of the client or of the service, before the proxy gives up."""


class Deploy(Section):
    """`[tool.shiptasks.deploy]`: times and limits of a deploy."""

    batch: int = Field(default=1, ge=1, le=32)
    """Containers of a service that a rolling deploy replaces at a time, on a host."""
    health_timeout: Duration | None = None
    """Longest wait for a new container to be healthy; derived from its healthcheck when left out."""
    drain_timeout: Duration = Duration("30s")
    """Longest wait for the requests in flight on an old container before it is stopped."""
    stabilise: Duration = Duration("2s")
    """How long all new containers must stay healthy, without a restart, before the release is current."""
    lock_wait: Duration = Duration("0s")
    """How long to wait for another deploy's lock before refusing."""
    min_disk: Size = Size("1GB")
    """Free space below which a deploy is refused, in the folder of the releases and where images are stored."""
    keep: int = Field(default=5, ge=2, le=100)
    """Releases kept on the host for rollback; older ones, and images that no kept release uses, are removed."""


Purpose = Literal["development", "staging", "production"]


def purpose_by_name(name: str) -> Purpose:
    """What an environment of that name is for, where its configuration does not say."""
    if name in ("production", "prod"):
        return "production"
    return "staging" if name in ("staging", "stage", "preprod") else "development"


class Environment(Section):
    """`[tool.shiptasks.environments.<name>]`: a place that releases are deployed to.

    Its tables `services`, `proxy`, `deploy`, `secrets` and `ssh`, and its key `registry`, overlay the top-level ones.
    """

    hosts: HostAddresses = (HostAddress("local"),)
    """`user@host[:port]` each; `local` is this machine without SSH."""
    strategy: Literal["rolling"] = "rolling"
    """How new containers replace the old ones."""
    url: Url = ""
    """Where the environment answers; verify asks there. Derived from host and proxy port when left out."""
    purpose: Purpose | None = None
    """What it is for: checks of the environment file are strict in production, and lenient in development. By its name
    when left out: `production` and `prod`; `staging`, `stage` and `preprod`; `development` for all others."""
    env_file: RelativePath | None = None
    """Environment file that travels to the hosts, mode 0600; not tracked by git."""
    path: HostPath | None = None
    """Folder on the host; `/srv/<project>` over SSH, `.shiptasks/local/<environment>` in the repository for `local`."""


class RollbackHooks(TaskHooks):
    """`[tool.shiptasks.hooks.rollback]`: what runs around `inv rollback`, once, not on each host."""

    pull: StageHooks = StageHooks()
    """Around fetching the images."""
    stores: StageHooks = StageHooks()
    """Around starting the services that are not built here, such as a database."""
    proxy: StageHooks = StageHooks()
    """Around starting or changing the proxy."""
    rollout: StageHooks = StageHooks()
    """Around the exchange of the containers."""
    stabilise: StageHooks = StageHooks()
    """Around watching the new containers."""
    verify: StageHooks = StageHooks()
    """Around asking the environment from outside."""
    mark_current: StageHooks = StageHooks()
    """Around making the release the current one."""
    clean_up: StageHooks = StageHooks()
    """Around removing what was replaced; one that fails before it is reported, and changes nothing."""


class DeployHooks(RollbackHooks):
    """`[tool.shiptasks.hooks.deploy]`: what runs around `inv deploy`, once, not on each host."""

    stage_files: StageHooks = StageHooks()
    """Around putting the files of the release on the hosts."""
    migrate: StageHooks = StageHooks()
    """Around the migrations of all services."""
