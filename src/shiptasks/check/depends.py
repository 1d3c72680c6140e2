"""What the result of a stage depends on, as a value that two runs can be compared by."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shiptasks.check.fingerprint import Files
from shiptasks.check.globs import Globs
from shiptasks.errors import Failed
from shiptasks.run.process import run

_VERSION_TIMEOUT = 60.0


@dataclass(frozen=True)
class Stage:
    """A stage that declares its inputs."""

    id: str
    root: Path
    """Folder of pyproject.toml; `inputs` are relative to it."""
    cwd: Path
    argv: tuple[str, ...]
    inputs: Globs
    environ: Mapping[str, str]
    """The whole environment that it runs in; only the variables of `names` count."""
    names: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    """The command that prints the tool's version."""
    out: Path | None = None
    """The folder of this run for its reports: where it stands in arguments it does not count, each run has another."""


@dataclass(frozen=True)
class Depends:
    """What a stage depends on. Values of variables and what files hold are hashes."""

    files: Mapping[str, str]
    argv: tuple[str, ...]
    cwd: str
    environ: Mapping[str, str]
    tool: str
    version: str
    shiptasks: str
    python: str

    @property
    def key(self) -> str:
        """A hash of all of it."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class Versions:
    """What version commands printed: each runs once in a run of shiptasks, for each state of its program."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], str] = {}

    def of(self, stage: Stage) -> str:
        """What the version command of a stage prints, and how it ended; empty when there is none."""
        if not stage.version:
            return ""
        key = (stage.version, stage.cwd, stage.environ.get("PATH"), executable(stage.version[0], stage))
        if key not in self._known:
            try:
                done = run(
                    stage.version, cwd=stage.cwd, env=stage.environ, timeout=_VERSION_TIMEOUT, check=False, keep=100_000
                )
                self._known[key] = f"{done.stdout.strip()}\n{done.stderr.strip()}\n{done.exit_code}"
            except Failed as error:  # the stage itself will say so, in its own words
                self._known[key] = error.what
        return self._known[key]


def look(stage: Stage, files: Files, versions: Versions) -> Depends:
    """What a stage depends on now. Raises UsageError for inputs that cannot be read or match nothing."""
    return Depends(
        files=files.hashes(stage.inputs),
        argv=tuple(_without_out(word, stage) for word in stage.argv),
        cwd=os.path.relpath(stage.cwd, stage.root),
        environ={name: _hidden(name, stage) for name in stage.names},
        tool=executable(stage.argv[0], stage),
        version=versions.of(stage),
        shiptasks=_own_version(),
        python=f"{sys.implementation.name} {platform.python_version()}",
    )


def executable(program: str, stage: Stage) -> str:
    """Which file a program is: its path, where that leads, size and time; empty when there is none."""
    path = os.path.join(stage.cwd, program) if os.sep in program else _on_path(program, stage)  # noqa: PTH118
    if not path:
        return ""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return ""
    return f"{path} {os.path.realpath(path)} {status.st_size} {status.st_mtime_ns}"


def difference(last: Depends, now: Depends) -> str:
    """What is not as it was, in words; empty when nothing has changed."""
    reasons = [_files_changed(last.files, now.files)]
    if tuple(last.argv) != tuple(now.argv):
        reasons.append("the command changed")
    if last.cwd != now.cwd:
        reasons.append("its folder changed")
    for name in sorted({*last.environ, *now.environ}):
        if last.environ.get(name) != now.environ.get(name):
            reasons.append(f"{name} changed")
    if last.tool != now.tool or last.version != now.version:
        reasons.append("the tool changed")
    if last.shiptasks != now.shiptasks:
        reasons.append("shiptasks changed")
    if last.python != now.python:
        reasons.append("Python changed")
    return ", ".join(reason for reason in reasons if reason)


def _files_changed(last: Mapping[str, str], now: Mapping[str, str]) -> str:
    changed = sorted(path for path in {*last, *now} if last.get(path) != now.get(path))
    if not changed:
        return ""
    first = changed[0]
    if len(changed) > 1:
        more = len(changed) - 1
        return f"{first} and {more} more {'file' if more == 1 else 'files'} changed"
    return f"{first} is new" if first not in last else f"{first} is gone" if first not in now else f"{first} changed"


def _on_path(program: str, stage: Stage) -> str:
    places = stage.environ.get("PATH", os.defpath).split(os.pathsep)
    # A relative folder on PATH is one of the process that looks it up, which runs in the folder of the stage.
    return shutil.which(program, path=os.pathsep.join(os.path.join(stage.cwd, place) for place in places)) or ""  # noqa: PTH118


@cache
def _own_version() -> str:
    with suppress(PackageNotFoundError):
        return version("shiptasks")
    return ""


def _without_out(word: str, stage: Stage) -> str:
    return word if stage.out is None else word.replace(os.fspath(stage.out), "{out}")


def _hidden(name: str, stage: Stage) -> str:
    """The value of a variable as a hash: it may be a secret. Empty when it is not set."""
    value = stage.environ.get(name)
    return "" if value is None else sha256(os.fsencode(f"{name}={_without_out(value, stage)}")).hexdigest()
