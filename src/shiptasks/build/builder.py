"""The builder in use: what it can do, whether that is enough for what is asked, and how one is made that is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shiptasks.build.engine import Engine
from shiptasks.build.entry import joined
from shiptasks.build.sections import Builder
from shiptasks.config.buildtypes import check_platform
from shiptasks.errors import Failed, Refused, UsageError
from shiptasks.run.events import Bus

_NOTHING = "nothing was built"
_TIMEOUT = 60.0  # seconds; a builder elsewhere may have to be reached first
_CREATE_TIMEOUT = 300.0  # seconds; the image of BuildKit is fetched
_CONTAINER = "docker buildx create --name=builder --driver=docker-container"
_EMULATION = "docker run --privileged --rm tonistiigi/binfmt --install"
_KEY = "pyproject.toml [tool.shiptasks.build]"
# What is meant where a variant is left out.
_SAME = {"linux/arm64/v8": "linux/arm64", "linux/arm": "linux/arm/v7", "linux/amd64/v1": "linux/amd64"}


@dataclass(frozen=True)
class Capabilities:
    """What a builder can do. `platforms` as it lists them, its own first; `buildkit` may be empty where unknown."""

    name: str
    driver: str
    containerd_store: bool = False
    platforms: tuple[str, ...] = ()
    buildkit: str = ""
    buildx: tuple[int, int] = (0, 0)

    @property
    def native(self) -> str:
        """The platform that it builds for when none is asked for; empty where it does not say."""
        return self.platforms[0] if self.platforms else ""

    @property
    def cache_export(self) -> bool:
        """Whether it can write its cache somewhere else than into the image."""
        return self.driver != "docker" or self.containerd_store

    @property
    def attestations(self) -> bool:
        """Whether its images can carry provenance and SBOM."""
        return self.driver != "docker" or self.containerd_store

    @property
    def several_platforms(self) -> bool:
        """Whether one image can be for several platforms."""
        return self.driver != "docker" or self.containerd_store

    @property
    def oci_files(self) -> bool:
        """Whether it can write images into files in the OCI layout."""
        return self.driver != "docker" or self.containerd_store

    def builds_for(self, platform: str) -> bool:
        """Whether it can run what an image for `platform` is made of, itself or emulated."""
        known = {_same(each) for each in self.platforms}
        return not known or _same(platform) in known


@dataclass(frozen=True)
class Wanted:
    """What a build asks of its builder. `load`: the images go to the local engine; `oci`: into files."""

    platforms: tuple[str, ...] = ()
    attestations: bool = False
    load: bool = False
    oci: bool = False


@dataclass(frozen=True)
class Inspected:
    """What `docker buildx inspect` says. `error` is why a node does not answer; empty where all do."""

    name: str
    driver: str
    platforms: tuple[str, ...] = ()
    buildkit: str = ""
    endpoint: str = ""
    error: str = ""


@dataclass(frozen=True)
class CreateBuilder:
    """The step that makes the configured builder, which is not there yet."""

    name: str
    argv: tuple[str, ...]

    def line(self) -> str:
        """The step for people, with its command."""
        from shiptasks.run.process import shown

        return f"+ builder {self.name}: {shown(self.argv)}"

    def apply(self, root: Path, bus: Bus) -> None:
        """Create the builder and start it. Raises Failed, with what buildx said; a builder half made is removed."""
        from shiptasks.run.process import run

        with bus.step("create the builder", stage="build") as step:
            result = run(self.argv, cwd=root, check=False, timeout=_CREATE_TIMEOUT, on_lines=step.lines)
            if not result.ok:
                run(("docker", "buildx", "rm", "--force", self.name), cwd=root, check=False, timeout=_TIMEOUT)
                raise Failed(
                    f"the builder {self.name} could not be created",
                    where=f"{_KEY} builder",
                    now=_NOTHING,
                    hint=self.line().partition(": ")[2],
                    details=result.tail(10),
                )


def capabilities(root: Path, engine: Engine, settings: Builder) -> Capabilities | None:
    """What the configured builder, or else the one in use, can do; None where it is configured and still to be made.

    Raises Refused when it is not there, does not answer, or has another driver than configured.
    """
    from shiptasks.run.process import run

    named = (settings.name,) if settings.name else ()
    result = run(("docker", "buildx", "inspect", *named), cwd=root, check=False, timeout=_TIMEOUT)
    if not result.ok and settings.name and settings.driver and _is_missing(result.stderr):
        return None
    found = inspected(result.stdout) if result.ok else None
    if found is None or found.error:
        whose = f"the builder {settings.name or (found.name if found else '')}".rstrip()
        create = '; driver = "docker-container" beside its name creates it' if not settings.driver else ""
        raise Refused(
            f"{whose} does not answer",
            where=f"{_KEY} builder" if settings.name else "",
            now=_NOTHING,
            hint=f"docker buildx ls shows those that are there{create}",
            details=(found.error,) if found else result.tail(5),
        )
    if settings.driver and found.driver != settings.driver:
        raise Refused(
            f"the builder {found.name} has the driver {found.driver}, not {settings.driver}",
            where=f"{_KEY} builder",
            now=_NOTHING,
            hint=f"docker buildx rm {found.name}, or another name for the one that is configured",
        )
    return Capabilities(
        name=found.name,
        driver=found.driver,
        containerd_store=engine.containerd_store,
        platforms=found.platforms,
        buildkit=found.buildkit,
        buildx=engine.buildx,
    )


def expected(engine: Engine, settings: Builder) -> Capabilities:
    """What the configured builder will be able to do once `creation` has made it; its platforms are not known yet."""
    return Capabilities(settings.name or "", settings.driver or "", engine.containerd_store, buildx=engine.buildx)


def creation(settings: Builder, platforms: Iterable[str] = ()) -> CreateBuilder:
    """The step that makes the configured builder. `platforms` are fixed for it; left out, it finds out itself.

    Credentials are not among what is given: a remote builder's certificates are files, named in the options.
    """
    if settings.name is None or settings.driver is None:
        raise ValueError("only a builder with name and driver can be created")
    argv = ["docker", "buildx", "create", f"--name={settings.name}", f"--driver={settings.driver}", "--bootstrap"]
    argv += [f"--driver-opt={joined([f'{name}={value}'])}" for name, value in settings.options.items()]
    argv += [f"--platform={platform}" for platform in platforms]
    if settings.endpoint:
        argv.append(settings.endpoint)
    return CreateBuilder(settings.name, tuple(argv))


def builder_option(settings: Builder) -> tuple[str, ...]:
    """What `docker buildx bake` is told of the builder; nothing where the one in use is meant."""
    return (f"--builder={settings.name}",) if settings.name else ()


def refuse_impossible(wanted: Wanted, capable: Capabilities) -> None:
    """Raises Refused, with the remedy, for what the builder cannot do; all that it cannot do is listed.

    Raises UsageError for a platform that does not exist.
    """
    for platform in wanted.platforms:
        _check_exists(platform)
    problems = []
    lacking = [platform for platform in wanted.platforms if not capable.builds_for(platform)]
    if lacking:
        names = ",".join(sorted({platform.split("/")[1] for platform in lacking}))
        problems.append(
            (f"it does not build for {', '.join(lacking)}", f"{_EMULATION} {names}, or a builder of that kind")
        )
    several = len(set(wanted.platforms)) > 1
    if several and not capable.several_platforms:
        problems.append(("it cannot make one image for several platforms", _with_store()))
    elif several and wanted.load and capable.driver != "docker":
        problems.append(
            ("an image for several platforms cannot be loaded into the engine from it", "add --push, or --platform")
        )
    if wanted.attestations and not capable.attestations:
        problems.append(("it cannot attach provenance or SBOM to images", _with_store()))
    if wanted.oci and not capable.oci_files:
        problems.append(("it cannot write images into files", _with_store()))
    if problems:
        raise Refused(
            f"the builder {capable.name} (driver {capable.driver}) cannot do what is asked",
            where=f"{_KEY} builder",
            now=_NOTHING,
            hint=problems[0][1],
            details=tuple(f"{problem}: {remedy}" for problem, remedy in problems),
        )


def inspected(text: str) -> Inspected | None:
    """What `docker buildx inspect` wrote; None where it is not understood. Platforms are those of all nodes."""
    head, _, nodes = text.partition("\nNodes:")
    name, driver = _field("Name", head), _field("Driver", head)
    if not driver:
        return None
    platforms: dict[str, None] = {}
    for line in re.findall(r"^Platforms:[ \t]*(.+)$", nodes, re.MULTILINE):
        for each in line.split(","):
            # A star stands behind those that were fixed when the builder was made, `(+3)` for variants not shown.
            platforms[re.sub(r"\*|\(\+\d+\)", "", each).strip()] = None
    return Inspected(
        name=name,
        driver=driver,
        platforms=tuple(each for each in platforms if each),
        buildkit=_field("BuildKit version", nodes) or _field("Buildkit", nodes),
        endpoint=_field("Endpoint", nodes),
        error=_field("Error", text),
    )


def _check_exists(platform: str) -> None:
    try:
        check_platform(platform)
    except ValueError as error:
        raise UsageError(
            f"{platform!r} is no platform: {error}", now=_NOTHING, hint="inv build --platform=linux/amd64"
        ) from None


def _field(name: str, text: str) -> str:
    match = re.search(rf"^{re.escape(name)}:[ \t]*(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else ""


def _is_missing(stderr: str) -> bool:
    return re.search(r"no builder .* found", stderr) is not None


def _same(platform: str) -> str:
    return _SAME.get(platform, platform)


def _with_store() -> str:
    return f"turn on the containerd image store of the engine, or {_CONTAINER}"
