"""The changes as a diff, checked, and written: each file at once, and all of them or none as far as a disk allows."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shiptasks.errors import Failed, Refused, UsageError
from shiptasks.onboard.propose import Change, Proposal

_NOTHING = "nothing was written"
_LOOKED_INTO = (".gitignore", "tasks.py", "tasks/__init__.py", "Makefile", "makefile", "GNUmakefile")


def texts(root: Path) -> dict[str, str]:
    """The files that a proposal looks into, each byte kept."""
    found = {}
    for name in _LOOKED_INTO:
        with suppress(OSError, RuntimeError):
            if (root / name).is_file():
                found[name] = _content(root / name)
    return found


def check(proposal: Proposal, root: Path) -> None:
    """Raises Refused where a file may not be written, UsageError where the configuration would not load.

    Nothing is written then.
    """
    for change in proposal.changes:
        path = root / change.path
        if change.before is None and os.path.lexists(path):
            raise Refused(f"{change.path} is there, and is no file that can be read", where=str(path), now=_NOTHING)
        if root.resolve() not in Path(os.path.realpath(path)).parents:
            raise Refused(
                f"{change.path} is a link that leads out of the repository",
                where=str(path),
                now=_NOTHING,
                hint="put a file in its place",
            )
        if not os.access(path if path.exists() else root, os.W_OK) or not os.access(root, os.W_OK):
            raise Refused(f"{change.path} cannot be written", where=str(root), now=_NOTHING, hint="look at its rights")
    table = next((change for change in proposal.changes if change.path == "pyproject.toml"), None)
    if table is not None:
        _loads(table, root)


def _loads(change: Change, root: Path) -> None:
    from shiptasks.config.load import load
    from shiptasks.config.toml import parse

    try:
        parse(change.after.removeprefix("\ufeff").replace("\r\n", "\n"))
    except ValueError as error:
        raise UsageError(
            "a table [tool.shiptasks] cannot be added to pyproject.toml as it is",
            where=str(root / change.path),
            now=_NOTHING,
            hint="write `tool` there as tables, such as [tool.ruff], not as one value",
            details=(str(error),),
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / change.path).write_text(change.after, encoding="utf-8", newline="")
        load(Path(folder), environ={})


def diff(changes: Sequence[Change]) -> str:
    """All changes as one unified diff."""
    lines: list[str] = []
    for change in changes:
        before = "/dev/null" if change.before is None else f"a/{change.path}"
        old, new = ([f"{line}\n" for line in _lines(text)] for text in (change.before or "", change.after))
        if change.before and not change.before.endswith("\n"):
            old[-1] = old[-1].rstrip("\n")
        for line in difflib.unified_diff(old, new, before, f"b/{change.path}"):
            lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines).encode("utf-8", "backslashreplace").decode()


def _lines(text: str) -> list[str]:
    """Lines as git has them: only a newline ends one."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def write(changes: Sequence[Change], root: Path) -> None:
    """Write every file. Raises Refused when one has changed since it was looked at, Failed when one cannot be written.

    What was written by then is taken back.
    """
    done: list[Change] = []
    try:
        for change in changes:
            _put(root / change.path, change)
            done.append(change)
    except OSError as error:
        _take_back(done, root)
        if isinstance(error, FileExistsError):
            what = f"{change.path} has changed since it was looked at"
            raise Refused(what, where=str(root), now=_AS_IT_WAS, hint="the same command again") from error
        what = f"{change.path} cannot be written: {error.strerror}"
        raise Failed(what, where=str(root), now=_AS_IT_WAS) from error
    except BaseException:  # Ctrl-C, too
        _take_back(done, root)
        raise


_AS_IT_WAS = "everything is as it was"


def _take_back(done: Sequence[Change], root: Path) -> None:
    for change in reversed(done):
        with suppress(OSError):
            if change.before is None:
                (root / change.path).unlink()
            else:
                _put(root / change.path, Change(change.path, change.after, change.before))


def _content(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _put(path: Path, change: Change) -> None:
    """Write one file at once. Raises FileExistsError when it is not what it was."""
    path = Path(os.path.realpath(path))  # through a link, not over it
    mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(change.after)
        Path(temporary).chmod(mode)
        if change.before is None:
            _rename_to_nothing(temporary, path)
            return
        if _content(path) != change.before:
            raise FileExistsError
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _rename_to_nothing(temporary: str, path: Path) -> None:
    """Give a file its name. Raises FileExistsError where something has come there; a rename would replace it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError from None
        Path(temporary).replace(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
