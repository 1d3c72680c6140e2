"""The one configuration object: what `[tool.shiptasks]` means, frozen and typed.

Each table's model is beside the capability that reads it, in that package's module `sections`; this puts them
together. A key that nothing reads is a defect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PrivateAttr

from shiptasks.build.sections import Build, ServiceImage
from shiptasks.check.sections import Bundle, CheckHooks, CheckRules, Container, CoverageRules, LintStage, TestStage
from shiptasks.config.hook import TaskHooks
from shiptasks.config.layers import Layers
from shiptasks.config.section import Section
from shiptasks.config.types import Name, Registry, RelativePath, Table, frozen
from shiptasks.deploy.sections import (
    Deploy,
    DeployHooks,
    Environment,
    Proxy,
    Purpose,
    RollbackHooks,
    ServiceRun,
    purpose_by_name,
    routes_are_apart,
)
from shiptasks.envfile.sections import SecretSources
from shiptasks.hosts.sections import Ssh
from shiptasks.plugins.sections import Plugins

OVERLAY = ("deploy", "hooks", "proxy", "registry", "secrets", "services", "ssh")
"""The keys of an environment that overlay the top-level ones of the same name; the others are its own."""


class Service(ServiceRun, ServiceImage):
    """`[tool.shiptasks.services.<name>]`: something that this repository builds and deploys."""


class Hooks(Section):
    """`[tool.shiptasks.hooks]`: commands and tasks of the repository that run around the tasks and their stages."""

    check: CheckHooks = CheckHooks()
    """Around `inv check`, `inv lint`, `inv test`."""
    build: TaskHooks = TaskHooks()
    """Around `inv build`."""
    deploy: DeployHooks = DeployHooks()
    """Around `inv deploy`, once something has to be changed."""
    rollback: RollbackHooks = RollbackHooks()
    """Around `inv rollback`, once something has to be changed."""
    verify: TaskHooks = TaskHooks()
    """Around `inv verify`."""


class Project(Section):
    """`[tool.shiptasks]`: the whole configuration of a repository."""

    project: Name
    """Name of the product; part of the names of images, containers and folders."""
    registry: Registry = ""
    """Registry and path that images go to, as `<registry>/<project>-<service>`. Empty: they stay in the engine."""
    compose_file: RelativePath = "compose.yaml"
    """Compose file for production, relative to pyproject.toml."""
    lint: Table[Name, LintStage] = frozen()
    """Lint commands by name."""
    test: Table[Name, TestStage] = frozen()
    """Test commands by name."""
    bundles: Table[Name, Bundle] = frozen()
    """Files that browsers load, with the size that they may have."""
    containers: Table[Name, Container] = frozen()
    """Real services that tests can have, such as a database."""
    coverage: CoverageRules = CoverageRules()
    """How much of the code the tests must reach."""
    check: CheckRules = CheckRules()
    """How lint and test commands are run."""
    services: Annotated[Table[Name, Service], AfterValidator(routes_are_apart)] = frozen()
    """What is built and deployed, by name."""
    build: Build = Build()
    """How images are built."""
    proxy: Proxy = Proxy()
    """The proxy on each host."""
    deploy: Deploy = Deploy()
    """Times and limits of a deploy."""
    keep_runs: int = Field(default=50, ge=1, le=10_000)
    """How many runs are kept in `.shiptasks/runs`, with their logs."""
    ssh: Ssh = Ssh()
    """How hosts are reached."""
    secrets: SecretSources = frozen()
    """Where secrets of the environment file come from, by the name of the variable; never the secrets themselves."""
    plugins: Plugins = frozen()
    """Packages of others to use, with their options, by the name that they register."""
    hooks: Hooks = Hooks()
    """What runs around the tasks and their stages."""
    environments: Table[Name, Environment] = frozen()
    """Where releases are deployed to, by name."""

    _root: Path = PrivateAttr(default=Path())
    _environment: str = PrivateAttr(default="")
    _layers: Layers | None = PrivateAttr(default=None)

    def located(self, root: Path, environment: str = "", layers: Layers | None = None) -> Project:
        """The same configuration as that of the repository at `root`, with the overlay of `environment` applied."""
        copy = self.model_copy()
        copy._root, copy._environment, copy._layers = root, environment, layers
        return copy

    @property
    def layers(self) -> Layers:
        """What was written where; empty for a configuration that was not read from files."""
        return self._layers if self._layers is not None else Layers()

    def where(self, *path: str | int) -> str:
        """`pyproject.toml:12:10` of the value at that path of the table, or of the table around it; a variable or flag.

        For whoever finds later that a value does not fit: `project.where("services", "api", "context")`.
        """
        origin = self.layers.origin(path)
        return (origin.where() if origin else "") or "pyproject.toml"

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
    def purpose(self) -> Purpose:
        """What the chosen environment is for: as configured, else by its name."""
        return self.target.purpose or purpose_by_name(self._environment)

    @property
    def target(self) -> Environment:
        """The environment whose overlay is applied. Raises KeyError when none is."""
        return self.environments[self._environment]
