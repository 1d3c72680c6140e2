"""The changes as a diff, checked, and written: each file at once, and all of them or none as far as a disk allows."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shiptasks.errors import Failed, Refused
from shiptasks.onboard.propose import Change, Proposal


def texts(root: Path) -> dict[str, str]:
    """The files that a proposal looks into."""
    found = {}
    for name in (".gitignore", "tasks.py", "Makefile"):
        with suppress(OSError):
            found[name] = (root / name).read_text(encoding="utf-8", errors="surrogateescape")
    return found


def check(proposal: Proposal, root: Path) -> None:
    """Raises Refused where a file may not be written, or the configuration would not load: nothing is written then."""
    from shiptasks.config.load import load

    for change in proposal.changes:
        path = root / change.path
        if change.before is None and os.path.lexists(path):
            raise Refused(f"{change.path} is there, and is no file that can be read", where=str(path), now=_NOTHING)
        if not os.access(path if path.exists() else root, os.W_OK):
            raise Refused(f"{change.path} cannot be written", where=str(root), now=_NOTHING, hint="look at its rights")
    table = next((change.after for change in proposal.changes if change.path == "pyproject.toml"), None)
    if table is not None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "pyproject.toml").write_text(table, encoding="utf-8")
            load(Path(folder), environ={})


def diff(changes: Sequence[Change]) -> str:
    """All changes as one unified diff."""
    lines: list[str] = []
    for change in changes:
        before = "/dev/null" if change.before is None else f"a/{change.path}"
        old = (change.before or "").splitlines(keepends=True)
        new = change.after.splitlines(keepends=True)
        for line in difflib.unified_diff(old, new, before, f"b/{change.path}"):
            lines.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(lines)


def write(changes: Sequence[Change], root: Path) -> None:
    """Write every file. Raises Failed, and takes back what was written, when one cannot be."""
    done: list[Change] = []
    try:
        for change in changes:
            _put(root / change.path, change.after)
            done.append(change)
    except OSError as error:
        for change in reversed(done):
            with suppress(OSError):
                if change.before is None:
                    (root / change.path).unlink()
                else:
                    _put(root / change.path, change.before)
        raise Failed(
            f"{error.filename} cannot be written: {error.strerror}", where=str(root), now="everything is as it was"
        ) from error


def _put(path: Path, text: str) -> None:
    mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_NOTHING = "nothing was written"
