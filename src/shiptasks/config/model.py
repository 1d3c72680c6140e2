"""The one configuration object: frozen, typed, documented where each key is defined.

`Project` is what `[tool.shiptasks]` in pyproject.toml means. The sections are grouped by the capability that reads
them. Keys are kebab-case in TOML and snake_case here; a key that nothing reads is a defect.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from shiptasks.config.types import (
    ArgumentName,
    Command,
    Conflicts,
    Duration,
    HostAddresses,
    HostPath,
    HttpPath,
    HttpPaths,
    ImageReference,
    LocalPath,
    LocalPaths,
    Name,
    Registry,
    RelativePath,
    Size,
    StageName,
    Table,
    Url,
    Words,
    frozen,
)

OVERLAY = ("deploy", "proxy", "registry", "services", "ssh")
"""The keys of an environment that overlay the top-level ones of the same name; the others are its own."""


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Section(BaseModel):
    """A table of the configuration: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=_kebab,
        validate_default=False,
        populate_by_name=False,
    )


class Service(Section):
    """`[tool.shiptasks.services.<name>]`: something that this repository builds and deploys."""

    context: RelativePath = "."
    """Folder that the image is built from, relative to pyproject.toml."""
    dockerfile: RelativePath | None = None
    """Dockerfile, relative to pyproject.toml; `<context>/Dockerfile` when left out."""
    target: StageName | None = None
    """Stage of the Dockerfile to build; the last one when left out."""
    args: Table[ArgumentName, str] = frozen()
    """Build arguments. `VERSION` is always passed. Not for secrets: they stay in the image's history."""
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
    def _routes_need_a_port(self) -> Service:
        if self.routes and (self.port is None or self.health is None):
            raise Conflicts((("routes",), "a service with routes needs `port` and `health`: the proxy must know both"))
        return self


def _routes_are_apart(services: Mapping[str, Service]) -> Mapping[str, Service]:
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

    image: ImageReference = "haproxy:3.0"
    """Image of HAProxy 2.6 or later."""
    port: int = Field(default=80, ge=1, le=65535)
    """Port published on the host."""
    timeout: Duration = 60.0
    """Longest silence in the middle of a request, of the client or of the service, before the proxy gives up."""


class Deploy(Section):
    """`[tool.shiptasks.deploy]`: times and limits of a deploy."""

    batch: int = Field(default=1, ge=1, le=32)
    """Containers of a service that a rolling deploy replaces at a time, on a host."""
    health_timeout: Duration | None = None
    """Longest wait for a new container to be healthy; derived from its healthcheck when left out."""
    drain_timeout: Duration = 30.0
    """Longest wait for the requests in flight on an old container before it is stopped."""
    stabilise: Duration = 2.0
    """How long all new containers must stay healthy, without a restart, before the release is current."""
    lock_wait: Duration = 0.0
    """How long to wait for another deploy's lock before refusing."""
    min_disk: Size = 1_000_000_000
    """Free space below which a deploy is refused, in the folder of the releases and where images are stored."""
    keep: int = Field(default=5, ge=2, le=100)
    """Releases kept on the host for rollback; older ones, and images that no kept release uses, are removed."""


class Ssh(Section):
    """`[tool.shiptasks.ssh]`: how hosts are reached."""

    config: LocalPath | None = None
    """OpenSSH client configuration; `~/.ssh/config` when left out."""
    known_hosts: LocalPaths = ()
    """Files of known host keys; those of OpenSSH (`~/.ssh/known_hosts`, `/etc/ssh/ssh_known_hosts`) when left out."""
    key: LocalPath | None = None
    """Private key; the agent's and OpenSSH's default keys when left out."""
    connect_timeout: Duration = 10.0
    """Longest wait for a host to answer."""


class Environment(Section):
    """`[tool.shiptasks.environments.<name>]`: a place that releases are deployed to.

    Its tables `services`, `proxy`, `deploy` and `ssh`, and its key `registry`, overlay the top-level ones of that name.
    """

    hosts: HostAddresses = ("local",)
    """`user@host[:port]` each; `local` is this machine without SSH."""
    strategy: Literal["rolling"] = "rolling"
    """How new containers replace the old ones."""
    url: Url = ""
    """Where the environment answers; verify asks there. Derived from host and proxy port when left out."""
    env_file: RelativePath | None = None
    """Environment file that travels to the hosts, mode 0600; not tracked by git."""
    path: HostPath | None = None
    """Folder on the host; `/srv/<project>` over SSH, `.shiptasks/local/<environment>` in the repository for `local`."""


class Project(Section):
    """`[tool.shiptasks]`: the whole configuration of a repository."""

    project: Name
    """Name of the product; part of the names of images, containers and folders."""
    registry: Registry = ""
    """Registry and path that images go to, as `<registry>/<project>-<service>`. Empty: they stay in the engine."""
    compose_file: RelativePath = "compose.yaml"
    """Compose file for production, relative to pyproject.toml."""
    lint: Table[Name, Command] = frozen()
    """Lint commands by name; each runs in the folder of pyproject.toml."""
    test: Table[Name, Command] = frozen()
    """Test commands by name; each runs in the folder of pyproject.toml."""
    services: Annotated[Table[Name, Service], AfterValidator(_routes_are_apart)] = frozen()
    """What is built and deployed, by name."""
    proxy: Proxy = Proxy()
    """The proxy on each host."""
    deploy: Deploy = Deploy()
    """Times and limits of a deploy."""
    ssh: Ssh = Ssh()
    """How hosts are reached."""
    environments: Table[Name, Environment] = frozen()
    """Where releases are deployed to, by name."""

    _root: Path = PrivateAttr(default=Path())
    _environment: str = PrivateAttr(default="")

    def located(self, root: Path, environment: str = "") -> Project:
        """The same configuration as that of the repository at `root`, with the overlay of `environment` applied."""
        copy = self.model_copy()
        copy._root, copy._environment = root, environment
        return copy

    @property
    def root(self) -> Path:
        """Folder of the pyproject.toml that this was read from."""
        return self._root

    @property
    def environment(self) -> str:
        """Name of the environment whose overlay is applied; empty when none is."""
        return self._environment

    @property
    def state_dir(self) -> Path:
        """`.shiptasks/`: run logs, build manifests and, for `local`, the deployed releases. Not tracked by git."""
        return self._root / ".shiptasks"

    def image_name(self, service: str) -> str:
        """Repository of a service's image, without tag: `ghcr.io/acme/shop-api`, or `shop-api` without a registry."""
        name = f"{self.project}-{service}"
        return f"{self.registry}/{name}" if self.registry else name

    @property
    def target(self) -> Environment:
        """The environment whose overlay is applied. Raises KeyError when none is."""
        return self.environments[self._environment]
