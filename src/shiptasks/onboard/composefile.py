"""What a Compose file tells: the services that it builds, what a deploy will not like in it, its variables."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from shiptasks.onboard.dockerfile import as_port, asked

_FILE = re.compile(r"(?:docker-)?compose(?:[.-](?P<kind>[A-Za-z0-9_-]+))?\.ya?ml")
_NAME = re.compile(r"[A-Za-z0-9._-]+")  # Compose takes no other
_PRODUCTION = ("prod", "production")
_DEFAULT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*):?-([A-Za-z0-9_.:/@+-]*)\}")
_DEEPEST_MERGE = 20


@dataclass(frozen=True)
class ComposeService:
    """A service that the file builds. Paths are relative to the root of the repository."""

    name: str
    context: str
    dockerfile: str
    """Empty for the one of the context."""
    target: str
    port: int | None
    health: str
    hindrances: tuple[str, ...]
    """What a deploy refuses or cannot carry, in words that go behind `api: …`."""


@dataclass(frozen=True)
class ComposeFile:
    """A Compose file. `path` is relative to the root of the repository."""

    path: PurePosixPath
    services: tuple[ComposeService, ...]
    whole: bool
    """Each of its services has an image or is built: it is no overlay of another file."""
    variables: tuple[tuple[str, bool, str], ...]
    """Name, whether it has to be set, and its default."""

    @property
    def kind(self) -> str:
        """`prod` of `compose.prod.yaml`; empty for `compose.yaml`."""
        match = _FILE.fullmatch(self.path.name)
        return (match["kind"] or "").lower() if match else ""

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """The smaller, the more likely it is the one for production."""
        kinds = {**dict.fromkeys(_PRODUCTION, 0), "": 1}
        canonical = not self.path.name.startswith("docker-")
        order = kinds.get(self.kind, 2) if self.whole or not self.kind else 3
        return order, len(self.path.parts), 0 if canonical else 1, str(self.path)


def is_compose_file(name: str) -> bool:
    """Whether a file of that name is one."""
    return bool(_FILE.fullmatch(name))


def choose(files: tuple[ComposeFile, ...]) -> ComposeFile | None:
    """The one for production: named so and whole, else the plain one; None when all are for something else."""
    likely = sorted(each for each in (one.rank for one in files) if each[0] < 2)
    return next((one for one in files if likely and one.rank == likely[0]), None)


def parse(path: PurePosixPath, text: str) -> ComposeFile:
    """The file as far as it is understood. Never raises: one that is not YAML has no services."""
    found = _tables(_read(text).get("services"))
    services = tuple(service for name, each in found.items() if (service := _service(path.parent, name, each)))
    whole = bool(found) and all({"image", "build", "extends"} & each.keys() for each in found.values())
    return ComposeFile(path, services, whole, tuple(_variables(text)))


def _read(text: str) -> dict[str, Any]:
    """The document. All scalars stay text: Compose has no dates and no numbers of base 60 (`22:22`)."""
    import yaml

    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)  # makes texts, lists and dicts only
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return _merged(document)


def _merged(value: Any, depth: int = 0) -> dict[str, Any]:
    """A mapping with what `<<` brings into it."""
    if not isinstance(value, dict) or depth > _DEEPEST_MERGE:
        return {}
    found: dict[str, Any] = {}
    inherited = value.get("<<")
    for each in reversed(inherited if isinstance(inherited, list) else [inherited]):
        found.update(_merged(each, depth + 1))
    found.update((name, each) for name, each in value.items() if isinstance(name, str) and name != "<<")
    return found


def _tables(value: Any) -> dict[str, dict[str, Any]]:
    return {name: _merged(each) for name, each in _merged(value).items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _service(folder: PurePosixPath, name: str, service: dict[str, Any]) -> ComposeService | None:
    build = service.get("build")
    build = {"context": build} if isinstance(build, str) and build else _merged(build)
    if not build or not _NAME.fullmatch(name):
        return None
    context = _inside(folder, _text(build.get("context")) or ".")
    dockerfile = _text(build.get("dockerfile"))
    if context is None or "dockerfile_inline" in build:
        return None
    recipe = _inside(PurePosixPath(context), dockerfile) if dockerfile else ""
    if recipe is None:
        return None
    target = _text(build.get("target"))
    asks, health = asked(_command(_merged(service.get("healthcheck")).get("test")))
    return ComposeService(
        name=name,
        context=context,
        dockerfile=recipe,
        target=target if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", target) else "",
        port=_port(service) or asks,
        health=health,
        hindrances=tuple(_hindrances(service)),
    )


def usable(path: str) -> bool:
    """Whether the configuration takes it as a path inside the repository."""
    return path.isprintable() and not path.startswith(("-", "~", "/")) and ".." not in path.split("/") and bool(path)


def _inside(folder: PurePosixPath, path: str) -> str | None:
    """The path from the root of the repository; None for one outside, or known only when Compose runs."""
    if "$" in path or "://" in path or path.startswith("/"):
        return None
    joined = posixpath.normpath(str(folder / path))
    return joined if usable(joined) else None


def _command(test: Any) -> str:
    return test if isinstance(test, str) else " ".join(_text(word) for word in _list(test))


def _port(service: dict[str, Any]) -> int | None:
    """The port inside the container that the file publishes or exposes."""
    for value in (*_list(service.get("expose")), *_list(service.get("ports"))):
        text = _text(value.get("target")) if isinstance(value, dict) else _text(value)
        port = as_port(text.rpartition(":")[2].partition("/")[0])
        if port:
            return port
    return None


def _hindrances(service: dict[str, Any]) -> Iterator[str]:
    if service.get("ports"):
        yield "publishes `ports`, which old and new containers cannot both have: the proxy publishes"
    for key in ("container_name", "network_mode"):
        if service.get(key):
            yield f"has `{key}`, which old and new containers cannot share"
    for volume in _list(service.get("volumes")):
        source = _text(_merged(volume).get("source")) or _text(volume).partition(":")[0]
        if source.startswith("."):
            yield f"mounts {source!a} of the repository, which does not travel: put it into the image"


def _variables(text: str) -> Iterator[tuple[str, bool, str]]:
    from shiptasks.envfile.needs import scan

    defaults = dict(_DEFAULT.findall(text))
    for name, need in scan(text).variables.items():
        yield name, need.needed, defaults.get(name, "")
