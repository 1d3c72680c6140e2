"""Results of stages that need not run again: nothing that they depend on has changed since they last succeeded.

    before = cache.look(stage, files)                # what it depends on, now
    hit = cache.hit(stage.id, before, into=out)      # its last result, when it depended on the same
    why = cache.explain(stage.id, before)            # else: why it has to run
    ...                                              # it runs and succeeds
    cache.store(stage.id, before, cache.look(stage, files), detail, seconds, reports)

One entry a stage, in `cache/stages/` of the state folder, readable by its owner only. It can be removed at any time.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from shiptasks.check.depends import Depends, Stage, Versions, difference, look
from shiptasks.check.drafts import draft, is_draft, remove_abandoned
from shiptasks.check.fingerprint import Files

_FORMAT = 1
_BROKEN = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError)  # what a bad entry may raise


@dataclass(frozen=True)
class Hit:
    """The result of a stage's last success. `artifacts` are the reports that it had left, by name."""

    detail: str
    seconds: float
    """How long it ran then."""
    at: float
    """When it ended then, seconds since the epoch."""
    artifacts: Mapping[str, Path] = field(default_factory=dict)


class Cache:
    """The results in a state folder. A full disk or a broken entry is never an error: the stage just runs."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "cache" / "stages"
        self._versions = Versions()
        remove_abandoned(self._folder)

    def look(self, stage: Stage, files: Files) -> Depends:
        """What the result of a stage depends on, as it is now.

        Raises UsageError when an input cannot be read, or a pattern of `inputs` matches no file.
        """
        return look(stage, files, self._versions)

    def hit(self, stage_id: str, now: Depends, into: Path | None = None) -> Hit | None:
        """The last success of a stage, when it depended on the same as now; None when the stage has to run.

        With `into`, a folder, copies of the reports are put there; without, `artifacts` are those of the cache, which
        another run may replace.
        """
        entry = self._entry(stage_id)
        copies: list[Path] = []
        try:
            raw = _result(entry)
            if (raw["format"], raw["stage"], raw["key"]) == (_FORMAT, stage_id, now.key):
                artifacts = {name: _whole(entry, name, size) for name, size in raw["artifacts"].items()}
                if into is not None:
                    for name, source in artifacts.items():
                        copies.append(into / name)
                        artifacts[name] = _copied(source, into / name)
                    _unchanged(entry, raw)
                return Hit(str(raw["detail"]), float(raw["seconds"]), float(raw["at"]), artifacts)
        except _BROKEN:
            for copy in copies:
                with suppress(OSError):
                    copy.unlink()
        return None

    def store(
        self,
        stage_id: str,
        before: Depends,
        after: Depends,
        detail: str,
        seconds: float,
        artifacts: Mapping[str, Path] | None = None,
    ) -> str:
        """Keep the success of a stage. Failures are never kept.

        `before` and `after` are what it depended on before and after it ran. `artifacts` are files that it left, by the
        name under which `hit` gives them back. Returns why nothing was kept, such as `src/a.py changed while it ran`;
        empty when it was.
        """
        for name in artifacts or {}:
            _checked(name)
        changed = difference(before, after)
        if changed:
            return f"{changed} while it ran"
        entry = self._entry(stage_id)
        new = draft(self._folder)
        try:
            _private(new / "artifacts")
            sizes = {}
            for name, source in (artifacts or {}).items():
                sizes[name] = _copied(source, new / "artifacts" / name).stat().st_size
            _write(new / "depends.json", asdict(after))
            result = {
                "format": _FORMAT,
                "stage": stage_id,
                "key": after.key,
                "detail": detail,
                "seconds": seconds,
                "at": time.time(),
                "artifacts": sizes,
            }
            _write(new / "result.json", result)
            self._put(new, entry)
        except OSError as error:
            return f"it could not be written: {error.strerror or error}"
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return ""

    def explain(self, stage_id: str, now: Depends) -> str:
        """Why a stage has to run: what has changed since its last success, such as `src/a.py changed`.

        `first run` when none is known; empty when nothing has changed.
        """
        try:
            raw = json.loads((self._entry(stage_id) / "depends.json").read_text(encoding="ascii"))
            return difference(Depends(**raw), now)
        except _BROKEN:
            return "first run"

    def prune(self, stage_ids: Collection[str]) -> None:
        """Remove the entries of all stages but these: name every stage that is configured, not only those that run."""
        known = {self._entry(stage_id).name for stage_id in stage_ids}
        with suppress(OSError):
            for path in list(self._folder.iterdir()):
                if path.name not in known and not is_draft(path):
                    shutil.rmtree(path, ignore_errors=True)

    def _entry(self, stage_id: str) -> Path:
        # The hash tells apart what would be one name on a file system that knows no case.
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", stage_id)[:80].lstrip(".")
        return self._folder / f"{readable}-{sha256(os.fsencode(stage_id)).hexdigest()[:12]}"

    def _put(self, new: Path, entry: Path) -> None:
        """Put a finished folder in its place; a folder can be renamed only to where none is."""
        old = draft(self._folder)
        with suppress(FileNotFoundError):
            entry.rename(old)
        try:
            new.rename(entry)
        finally:
            shutil.rmtree(old, ignore_errors=True)


def _result(entry: Path) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads((entry / "result.json").read_text(encoding="ascii"))
    return raw


def _whole(entry: Path, name: str, size: int) -> Path:
    """A report in the cache. Raises ValueError when it is not as large as it was."""
    path = entry / "artifacts" / _checked(name)
    if path.stat().st_size != size:
        raise ValueError(f"{name} is not as it was")
    return path


def _unchanged(entry: Path, raw: object) -> None:
    """Raises ValueError when another run has replaced the entry: what was copied may be of both."""
    if _result(entry) != raw:
        raise ValueError("replaced meanwhile")


def _checked(name: str) -> str:
    """Raises ValueError for a name of a report that is not one of a file."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file")
    return name


def _private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for the owner only."""
    if not folder.parent.is_dir():
        _private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _copied(source: Path, target: Path) -> Path:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as writing, source.open("rb") as reading:
        shutil.copyfileobj(reading, writing, 1 << 20)
    return target


def _write(path: Path, data: object) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(data, file)
