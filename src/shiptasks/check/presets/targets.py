"""Which paths a lint tool is given, so that it never lints nothing unseen and takes no file name for an option.

Some tools walk folders themselves, and well: they get the folders. Others take only files, or would walk into
`node_modules`: they get the files, as `walk` finds them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

from shiptasks.check.preset import Request
from shiptasks.errors import Failed

SKIPPED = frozenset(
    {".git", ".hg", ".svn", "node_modules", ".venv", "venv", ".tox", ".nox", ".shiptasks", "__pycache__"}
)
"""Folders in which nobody's own sources are. One with a `pyvenv.cfg` is a virtual environment, whatever its name."""

_HINT = "set its paths, or take the stage out: a lint of nothing must not pass"


def by_suffix(*suffixes: str) -> Callable[[str], bool]:
    """Whether a file is for a tool, by the end of its name."""
    return lambda path: PurePosixPath(path).suffix.lower() in suffixes


def folders(request: Request, what: str, takes: Callable[[str], bool]) -> tuple[str, ...]:
    """Arguments for a tool that walks by itself: the changed files, the configured paths, or `.`.

    Raises Failed when a configured path does not exist, and when nothing for this tool is there. `what` is
    the kind of such a file.
    """
    if request.files is not None:
        return guarded(request.files)
    if not any(True for _ in _found(request, lambda path: takes(path.name))):
        raise Failed(f"there is no {what} under {places(request)}", now="nothing was run", hint=_HINT)
    return guarded(request.paths or (".",))


def files(request: Request, what: str, takes: Callable[[Path], bool]) -> tuple[str, ...]:
    """Arguments for a tool that takes only files: the changed ones, or those in the configured paths, or all.

    Raises Failed as `folders` does.
    """
    if request.files is not None:
        return guarded(request.files)
    found = tuple(dict.fromkeys(_found(request, takes)))
    if not found:
        raise Failed(f"there is no {what} under {places(request)}", now="nothing was run", hint=_HINT)
    return guarded(found)


def guarded(paths: Collection[str]) -> tuple[str, ...]:
    """Paths that no tool takes for an option (`-x`) or for a file with options (`@x`)."""
    return tuple(f"./{path}" if path.startswith(("-", "@")) else path for path in paths)


def walk(folder: Path, takes: Callable[[Path], bool]) -> Iterator[str]:
    """The files below `folder` that `takes` wants, relative to it, with `/`, in order. Links are not walked into.

    Raises Failed for a folder that cannot be read.
    """
    for here, inner, names in os.walk(folder, onerror=_unread):
        inner[:] = sorted(name for name in inner if name not in SKIPPED and not _is_environment(here, name))
        for name in sorted(names):
            path = Path(here, name)
            if takes(path) and path.is_file():
                yield path.relative_to(folder).as_posix()


def places(request: Request) -> str:
    """Where was looked, in words."""
    return ", ".join(request.paths or (request.cwd.name,))


def _found(request: Request, takes: Callable[[Path], bool]) -> Iterator[str]:
    """The files in the configured paths that `takes` wants, and those that are configured by name."""
    there = {path: request.cwd / path for path in request.paths or (".",)}
    for path, place in there.items():
        if not place.exists():
            raise Failed(f"there is no file or folder {path!r} in {request.cwd.name}", now="nothing was run")
    for path, place in there.items():
        if place.is_dir():
            yield from (PurePosixPath(path, name).as_posix() for name in walk(place, takes))
        else:
            yield path


def _is_environment(folder: str, name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name, "pyvenv.cfg"))  # noqa: PTH113, PTH118 - False where it may not look


def _unread(error: OSError) -> None:
    raise Failed(f"the folder {error.filename} cannot be read: {error.strerror}", now="nothing was run") from None
