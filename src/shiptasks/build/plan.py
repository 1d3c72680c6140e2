"""What a build will do, as values: a target a service, which describe themselves and become one bake file.

Planning is pure; `check_sources` is the look at the disk that comes before anything is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiptasks.config import choose
from shiptasks.config.model import Project
from shiptasks.config.values import Version
from shiptasks.errors import UsageError

if TYPE_CHECKING:
    from shiptasks.build.cache import Cache

CACHE_TAG = "buildcache"
_NOTHING = "nothing was built"


@dataclass(frozen=True)
class Target:
    """The image of one service: from what it is built, what it is called, where it goes."""

    service: str
    context: Path
    dockerfile: Path
    stage: str | None
    args: Mapping[str, str]
    labels: Mapping[str, str]
    tag: str
    """The reference that deploys know it by: `<name>:<version>`."""
    output: str
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Further references that it gets, such as `<name>:latest`."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    """As bake has them: `type=env,id=npm,env=NPM_TOKEN`; never the values."""
    ssh: tuple[str, ...] = ()
    attest: tuple[str, ...] = ()
    caches: tuple[Cache, ...] = ()
    """What `cache_from` and `cache_to` come from, with the reason."""

    @property
    def name(self) -> str:
        """The repository of the image, without tag."""
        return self.tag.rpartition(":")[0]

    @property
    def refs(self) -> tuple[str, ...]:
        """All references that the image gets, each once."""
        return tuple(dict.fromkeys((self.tag, *self.also)))

    @property
    def by_digest(self) -> bool:
        """Whether it is pushed without a tag: it gets its tags when all images of the build are there."""
        return "push-by-digest=true" in self.output

    def bake(self) -> dict[str, Any]:
        """The target as `docker buildx bake` reads it, with nothing left for it to interpolate."""
        target: dict[str, Any] = {
            "context": str(self.context),
            "dockerfile": str(self.dockerfile),
            "args": dict(self.args),
            "labels": dict(self.labels),
            "tags": [self.name] if self.by_digest else list(self.refs),
            "output": [self.output],
        }
        lists = {"platforms": self.platforms, "secret": self.secrets, "ssh": self.ssh, "attest": self.attest}
        target.update({key: list(value) for key, value in lists.items() if value})
        if self.annotations:
            target["annotations"] = [f"{key}={value}" for key, value in self.annotations.items()]
        if self.stage is not None:
            target["target"] = self.stage
        if self.cache_from:
            target["cache-from"] = list(self.cache_from)
        if self.cache_to:
            target["cache-to"] = list(self.cache_to)
        return {key: _literal(value) for key, value in target.items()}


@dataclass(frozen=True)
class BuildPlan:
    """One build of some services at one version. `created` is what the images are labelled with."""

    project: str
    root: Path
    version: str
    revision: str
    created: str
    push: bool
    targets: tuple[Target, ...]

    def bake(self) -> dict[str, Any]:
        """The whole plan as a bake file: `docker buildx bake -f plan.json` builds the same images."""
        return {
            "group": {"default": {"targets": [target.service for target in self.targets]}},
            "target": {target.service: target.bake() for target in self.targets},
        }

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data: what is built from what, and the bake file that does it."""
        return {
            "version": self.version,
            "revision": self.revision,
            "push": self.push,
            "images": [
                {
                    "service": target.service,
                    "image": target.tag,
                    "tags": list(target.refs),
                    "caches": [{"kind": one.kind, "why": one.why} for one in target.caches],
                    "context": str(target.context.relative_to(self.root)),
                    "dockerfile": str(target.dockerfile.relative_to(self.root)),
                    "target": target.stage,
                }
                for target in self.targets
            ],
            "bake": self.bake(),
        }

    def lines(self) -> tuple[str, ...]:
        """The plan for people: a line a service, and where the images go."""
        names = max(len(target.service) for target in self.targets)
        tags = max(len(target.tag) for target in self.targets)
        lines = []
        for target in self.targets:
            stage = f" stage {target.stage}" if target.stage else ""
            place = target.dockerfile.relative_to(self.root)
            lines.append(f"+ {target.service:<{names}}  {target.tag:<{tags}}  from {place}{stage}")
            lines += [f"  also {ref}" for ref in target.also]
        where = "pushed to the registry" if self.push else "kept in the local engine"
        reasons = dict.fromkeys(f"cache {one.kind}: {one.why}" for target in self.targets for one in target.caches)
        return (*lines, *reasons, f"{len(self.targets)} to build, side by side, {where}")

    def matrix(self) -> dict[str, Any]:
        """The plan as a matrix of GitHub Actions, a job for each service."""
        return {
            "include": [
                {
                    "service": target.service,
                    "image": target.name,
                    "version": self.version,
                    "tags": "\n".join(target.refs),
                    "context": str(target.context.relative_to(self.root)),
                    "dockerfile": str(target.dockerfile.relative_to(self.root)),
                    "platforms": ",".join(target.platforms),
                }
                for target in self.targets
            ]
        }


def plan(
    project: Project,
    version: str,
    revision: str,
    *,
    services: Iterable[str] | None = None,
    push: bool = False,
    created: str = "",
    source: str = "",
    registry_cache: bool = False,
    by_digest: bool = False,
) -> BuildPlan:
    """Plan the images of `services`, or of all of them.

    `revision`, `created` and `source` become labels where they are known. `registry_cache` says that the engine's
    builder can keep its cache in a registry, `by_digest` that it can push an image without a tag.

    Raises UsageError for a version that cannot be a tag, an unknown service, nothing to build, and a push without a
    registry.
    """
    try:
        Version(version)
    except ValueError as error:
        raise UsageError(
            f"{version!r} is not a version: {error}", now=_NOTHING, hint="inv build --version=1.0.0"
        ) from None
    if push and not project.registry:
        raise UsageError(
            "there is no registry to push to",
            where="pyproject.toml [tool.shiptasks]",
            now=_NOTHING,
            hint='add registry = "ghcr.io/acme", or build without --push',
        )
    names = _choose(project, services)
    common = {"version": version, "revision": revision, "created": created, "source": source}
    targets = []
    for name in names:
        service, image = project.services[name], project.image_name(name)
        if "VERSION" in service.args:
            raise UsageError(
                "the build argument VERSION is always the version that is built",
                where=f"pyproject.toml [tool.shiptasks.services.{name}.args]",
                now=_NOTHING,
                hint="remove VERSION there, or give it another name",
            )
        labels = {"title": f"{project.project}-{name}", **{key: value for key, value in common.items() if value}}
        cache = f"type=registry,ref={image}:{CACHE_TAG}" if push and registry_cache else ""
        targets.append(
            Target(
                service=name,
                context=project.root / service.context,
                dockerfile=dockerfile(project, name),
                stage=service.target,
                args={**service.args, "VERSION": version},
                labels={f"org.opencontainers.image.{key}": value for key, value in labels.items()},
                tag=f"{image}:{version}",
                output=_output(image, push=push, by_digest=by_digest),
                cache_from=(cache,) if cache else (),
                # A cache that cannot be written is a pity, not a failed build.
                cache_to=(f"{cache},mode=max,ignore-error=true",) if cache else (),
            )
        )
    return BuildPlan(project.project, project.root, version, revision, created, push, tuple(targets))


def _output(image: str, *, push: bool, by_digest: bool) -> str:
    # The engine's own builder cannot push without a tag: its images stay in the engine until all are built.
    if not push or not by_digest:
        return "type=docker"
    return f"type=image,name={image},push-by-digest=true,name-canonical=true,push=true"


def dockerfile(project: Project, service: str) -> Path:
    """The Dockerfile of a service: its own key, or `Dockerfile` in its context."""
    settings = project.services[service]
    return project.root / (settings.dockerfile or f"{settings.context}/Dockerfile")


def check_sources(project: Project, plan: BuildPlan) -> None:
    """Raises UsageError that names every context and Dockerfile of the plan that is not there, with its key."""
    missing = []
    for target in plan.targets:
        section = f"services.{target.service}"
        if not target.context.is_dir():
            missing.append(f'{section}.context: there is no folder "{project.services[target.service].context}"')
        if not target.dockerfile.is_file():
            key = "dockerfile" if project.services[target.service].dockerfile else "context"
            missing.append(f'{section}.{key}: there is no file "{target.dockerfile.relative_to(plan.root)}"')
    if missing:
        raise UsageError(
            f"{len(missing)} path{'s' if len(missing) > 1 else ''} to build from not found",
            where=str(plan.root / "pyproject.toml"),
            now=_NOTHING,
            hint="correct the keys in [tool.shiptasks]; paths are relative to pyproject.toml",
            details=tuple(missing),
        )


def _choose(project: Project, services: Iterable[str] | None) -> tuple[str, ...]:
    known = tuple(project.services)
    if not known:
        raise UsageError(
            "there is nothing to build",
            where="pyproject.toml [tool.shiptasks]",
            now=_NOTHING,
            hint="add a service: [tool.shiptasks.services.api]",
        )
    wanted = known if services is None else tuple(services)
    for name in wanted or ("",):
        choose.service(project, name)
    return tuple(name for name in known if name in wanted)


def _literal(value: Any) -> Any:
    """`value` so that bake, which reads strings in JSON as HCL templates, takes it literally."""
    if isinstance(value, dict):
        return {_literal(key): _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    if isinstance(value, str) and ("${" in value or "%{" in value):
        return "".join(f'${{"{letter}"}}' if letter in "$%" else letter for letter in value)
    return value
