"""What there is in a repository: Dockerfiles, a Compose file, linters and tests. Looks only; a bounded walk."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from shiptasks.envfile.needs import scan

_SKIPPED = {"node_modules", "vendor", "venv", "env", "dist", "build", "target", "__pycache__", "site-packages"}
_DEEPEST = 3
_MOST = 20_000  # entries of folders that are looked at
_COMPOSE = (
    *(f"{stem}.{suffix}" for stem in ("compose.production", "compose.prod", "docker-compose.production")
      for suffix in ("yaml", "yml")),
    *("docker-compose.prod.yml", "docker-compose.prod.yaml"),
    *("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"),
)  # fmt: skip


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile, relative to the root; `port` is what it EXPOSEs, `stages` its named ones."""

    path: PurePosixPath
    port: int | None
    alone: bool
    """Nothing else is in its folder: it builds from somewhere else."""


@dataclass(frozen=True)
class ComposeService:
    """A service that a Compose file builds. Paths are relative to the root."""

    name: str
    context: str
    dockerfile: str
    target: str
    port: int | None


@dataclass(frozen=True)
class Repository:
    """All that was found."""

    root: Path
    name: str
    owner: str
    """Who the git remote belongs to, such as `acme`; empty when unknown."""
    pyproject: str | None
    configured: bool
    """There is a table [tool.shiptasks] already."""
    tools: dict[str, Any]
    """`[tool]` of pyproject.toml."""
    scripts: dict[str, str]
    """Of package.json."""
    files: frozenset[str]
    """Names in the root."""
    dockerfiles: tuple[Dockerfile, ...]
    compose_file: str
    services: tuple[ComposeService, ...]
    variables: dict[str, bool]
    """Variables that the Compose file names, and whether they have no default."""
    git: bool


def look(root: Path) -> Repository:
    """Look at the repository. Raises UsageError for a pyproject.toml that cannot be read."""
    from shiptasks.config.load import TABLE
    from shiptasks.config.source import read

    pyproject = root / "pyproject.toml"
    source = read(pyproject, TABLE) if os.path.lexists(pyproject) else None
    tools = source.document.get("tool") if source else None
    files = frozenset(entry.name for entry in os.scandir(root))
    compose_file = next((name for name in _COMPOSE if name in files), "")
    text = _text(root / compose_file) if compose_file else ""
    remote = _remote(root)
    return Repository(
        root=root,
        name=remote.rpartition("/")[2] or root.name,
        owner=remote.rpartition("/")[0].rpartition("/")[2],
        pyproject=pyproject.read_bytes().decode("utf-8") if source else None,
        configured=source is not None and source.table is not None,
        tools=tools if isinstance(tools, dict) else {},
        scripts=_scripts(root),
        files=files,
        dockerfiles=tuple(sorted(_dockerfiles(root), key=lambda each: (len(each.path.parts), str(each.path)))),
        compose_file=compose_file,
        services=tuple(_services(text)),
        variables={name: need.needed for name, need in scan(text).variables.items()},
        git=(root / ".git").exists(),
    )


def _dockerfiles(root: Path) -> Iterator[Dockerfile]:
    seen = 0
    for folder, folders, names in os.walk(root):
        seen += len(folders) + len(names)
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(
            each for each in folders if each not in _SKIPPED and not each.startswith(".") and _usable(each)
        )
        if depth >= _DEEPEST or seen > _MOST:
            folders.clear()
        for name in sorted(names):
            if re.fullmatch(r"Dockerfile(\.[A-Za-z0-9_-]+)?|[A-Za-z0-9_-]+\.Dockerfile", name):
                path = Path(folder) / name
                if path.is_symlink() and root.resolve() not in path.resolve().parents:
                    continue
                others = [each for each in (*folders, *names) if "ockerfile" not in each and each != ".dockerignore"]
                yield Dockerfile(PurePosixPath(path.relative_to(root).as_posix()), _exposed(_text(path)), not others)


def _usable(path: str) -> bool:
    """Whether the configuration takes it as a path inside the repository."""
    return path.isprintable() and not path.startswith(("-", "~", "/")) and ".." not in path.split("/")


def _exposed(text: str) -> int | None:
    match = re.search(r"^\s*EXPOSE\s+(\d{1,5})\b", text, re.MULTILINE | re.IGNORECASE)
    return int(match[1]) if match and 0 < int(match[1]) < 65536 else None


def _services(text: str) -> Iterator[ComposeService]:
    """The services that are built. A file that is not YAML, or no Compose file, has none."""
    import yaml

    try:
        document = yaml.safe_load(text)
        found = document["services"].items()
    except (yaml.YAMLError, AttributeError, TypeError, KeyError, RecursionError):
        return
    for name, service in found:
        build = service.get("build") if isinstance(service, dict) else None
        if not isinstance(name, str) or not build:
            continue
        build = {"context": build} if isinstance(build, str) else build if isinstance(build, dict) else {}
        context = PurePosixPath(str(build.get("context", ".")))
        dockerfile, target = str(build.get("dockerfile", "")), str(build.get("target", ""))
        outside = context.is_absolute() or ".." in context.parts or "$" in str(context)
        if outside or not _usable(str(context)) or (dockerfile and not _usable(dockerfile)):
            continue
        yield ComposeService(
            name=name,
            context=str(context),
            dockerfile=str(context / dockerfile) if dockerfile else "",
            target=target if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", target) else "",
            port=_port(service),
        )


def _port(service: dict[str, Any]) -> int | None:
    """The port inside the container that the file publishes or exposes."""
    for key in ("expose", "ports"):
        values = service.get(key)
        for value in values if isinstance(values, list) else ():
            inner = value.get("target") if isinstance(value, dict) else str(value).rpartition(":")[2].partition("/")[0]
            if str(inner).isdigit() and 0 < int(str(inner)) < 65536:
                return int(str(inner))
    return None


def _scripts(root: Path) -> dict[str, str]:
    try:
        found = json.loads(_text(root / "package.json") or "{}")["scripts"]
        return {str(name): str(command) for name, command in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _remote(root: Path) -> str:
    """`github.com/acme/shop` of the git remote; empty without one."""
    from shiptasks.build.source import web_address

    argv = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return ""
    return web_address(done.stdout.strip()).partition("://")[2]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
