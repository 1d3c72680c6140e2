"""What there is in a repository: Dockerfiles, Compose files, linters and tests. Looks only; a bounded walk."""

from __future__ import annotations

import configparser
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shiptasks.onboard.composefile import ComposeFile, choose, is_compose_file, usable
from shiptasks.onboard.composefile import parse as parse_compose
from shiptasks.onboard.dockerfile import Recipe
from shiptasks.onboard.dockerfile import parse as parse_dockerfile
from shiptasks.onboard.tools import Package, Tools

_SKIPPED = {"node_modules", "vendor", "venv", "env", "dist", "build", "target", "__pycache__", "site-packages"}
_DEEPEST = 3
_MOST = 20_000  # entries of folders that are looked at
_LARGEST = 1_000_000  # bytes of a file that are read
_DOCKERFILE = re.compile(r"(?:Dockerfile|Containerfile)(?:\.[A-Za-z0-9_-]+)?|[A-Za-z0-9_-]+\.Dockerfile")
_LOCKS = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lock": "bun", "bun.lockb": "bun"}


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile, relative to the root."""

    path: PurePosixPath
    recipe: Recipe
    from_root: bool
    """It builds from the root of the repository: what it copies is there, and not beside it."""


@dataclass(frozen=True)
class Repository:
    """All that was found."""

    root: Path
    name: str
    host: str
    """`github.com` of the git remote; empty without one."""
    owner: str
    """Who the git remote belongs to, such as `acme`; empty when unknown."""
    pyproject: str | None
    configured: bool
    """There is a table [tool.shiptasks] already."""
    files: frozenset[str]
    """Names in the root."""
    tools: Tools
    dockerfiles: tuple[Dockerfile, ...]
    compose: ComposeFile | None
    """The one for production."""
    others: tuple[ComposeFile, ...]
    """All other Compose files, the likeliest first."""
    git: bool


def look(root: Path) -> Repository:
    """Look at the repository. Raises UsageError for a pyproject.toml that cannot be read."""
    from shiptasks.config.load import TABLE
    from shiptasks.config.source import read

    pyproject = root / "pyproject.toml"
    source = read(pyproject, TABLE) if os.path.lexists(pyproject) else None
    tables = source.document.get("tool") if source else None
    files = frozenset(entry.name for entry in os.scandir(root))
    found = sorted(_walk(root), key=lambda path: (len(path.parts), str(path)))
    dockerfiles = tuple(_dockerfile(root, path) for path in found if _DOCKERFILE.fullmatch(path.name))
    composes = sorted(
        (parse_compose(path, text_of(root / path)) for path in found if is_compose_file(path.name)),
        key=lambda each: each.rank,
    )
    chosen = choose(tuple(composes))
    remote = _remote(root).split("/")
    before = pyproject.read_bytes().decode("utf-8") if source else None
    return Repository(
        root=root,
        name=remote[-1] or root.name,
        host=remote[0],
        owner=remote[-2] if len(remote) > 2 else "",
        pyproject=before,
        configured=source is not None and source.table is not None,
        files=files,
        tools=Tools(
            files=files,
            tables=tables if isinstance(tables, dict) else {},
            sections=frozenset(_sections(root)),
            requirements="\n".join([_without_comments(before or ""), *_requirements(root, files)]),
            packages=tuple(_packages(root, found)),
            targets=frozenset(_targets(root)),
            dockerfiles=tuple(str(each.path) for each in dockerfiles),
        ),
        dockerfiles=dockerfiles,
        compose=chosen,
        others=tuple(each for each in composes if each is not chosen),
        git=(root / ".git").exists(),
    )


def text_of(path: Path) -> str:
    """The beginning of a regular file; empty for one that cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return ""  # a pipe would wait for ever
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace").replace("\r\n", "\n")
    except (OSError, RuntimeError):
        return ""


def _walk(root: Path) -> Iterator[PurePosixPath]:
    """The files of interest, relative to the root. Links are not followed out of the repository."""
    seen, top = 0, root.resolve()
    for folder, folders, names in os.walk(root):
        seen += len(folders) + len(names)
        below = Path(folder).relative_to(root)
        folders[:] = sorted(each for each in folders if each not in _SKIPPED and each[0] != "." and usable(each))
        if len(below.parts) >= _DEEPEST or seen > _MOST:
            folders.clear()
        for name in sorted(names):
            if _DOCKERFILE.fullmatch(name) or is_compose_file(name) or name == "package.json":
                path = Path(folder) / name
                if not path.is_symlink() or top in Path(os.path.realpath(path)).parents:
                    yield PurePosixPath((below / name).as_posix())


def _dockerfile(root: Path, path: PurePosixPath) -> Dockerfile:
    recipe = parse_dockerfile(text_of(root / path))
    beside, at_root = ([_is_there(folder, name) for name in recipe.sources] for folder in (root / path.parent, root))
    return Dockerfile(path, recipe, from_root=sum(at_root) > sum(beside) and str(path.parent) != ".")


def _is_there(folder: Path, name: str) -> bool:
    """Whether a source of COPY names something in the folder; `.` is in every folder that has more than Dockerfiles."""
    try:
        if name.strip("./"):
            return (folder / name.lstrip("/")).exists()
        return any(not _DOCKERFILE.fullmatch(each.name) and each.name[0] != "." for each in folder.iterdir())
    except (OSError, ValueError):
        return False


def _packages(root: Path, found: Iterable[PurePosixPath]) -> Iterator[Package]:
    """Those with scripts; only that of the root in a workspace, which runs the others itself."""
    manager = ""
    for path in (each for each in found if each.name == "package.json"):
        folder = "" if str(path.parent) == "." else str(path.parent)
        try:
            document = json.loads(text_of(root / path) or "{}")
            scripts = {str(name): str(command) for name, command in document.get("scripts", {}).items()}
        except (ValueError, AttributeError, RecursionError):
            continue
        locks = (name for name in _LOCKS if (root / path.parent / name).exists())
        own = next((_LOCKS[name] for name in locks), "")
        manager = manager or (own if not folder else "")
        yield Package(folder, own or manager or "npm", scripts)
        if not folder and ("workspaces" in document or (root / "pnpm-workspace.yaml").exists()):
            return


def _sections(root: Path) -> Iterator[str]:
    for name in ("setup.cfg", "tox.ini"):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(text_of(root / name))
        except (configparser.Error, ValueError):
            continue
        yield from parser.sections()


def _requirements(root: Path, files: Iterable[str]) -> Iterator[str]:
    for name in sorted(files):
        if re.fullmatch(r"requirements[A-Za-z0-9_.-]*\.(txt|in)", name):
            yield _without_comments(text_of(root / name))


def _without_comments(text: str) -> str:
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


def _targets(root: Path) -> Iterator[str]:
    text = text_of(root / "Makefile")
    for match in re.finditer(r"(?m)^([A-Za-z0-9_-]+)[ \t]*:(?!=)[^\n]*\n((?:\t[^\n]*\n?)*)", text):
        if not re.search(r"\binv(oke)?\b", match[2]):
            yield match[1]


def _remote(root: Path) -> str:
    """`github.com/acme/shop` of the git remote; empty without one."""
    from shiptasks.build.source import web_address

    argv = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
        )
    except OSError:
        return ""
    return web_address(done.stdout.strip()).partition("://")[2]
