"""Runs a preset as check does: its command with the real tool, and what it reads from its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.run import process

BESIDE = str(Path(sys.executable).parent)


def repository(root: Path, files: dict[str, str]) -> Path:
    """A folder `shop` with these files."""
    shop = root / "shop"
    for name, text in files.items():
        path = shop / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return shop


def ended(preset: Preset, request: Request) -> Ended:
    """How the tool ends."""
    path = os.pathsep.join((BESIDE, os.environ.get("PATH", os.defpath)))
    env = {**os.environ, "PATH": path, **preset.environ(request)}
    result = process.run(preset.command(request), cwd=request.cwd, env=env, check=False, timeout=120)
    return Ended(result.exit_code, result.stdout, result.stderr)


def run(
    preset: Preset,
    root: Path,
    *,
    cwd: str = ".",
    args: Sequence[str] = (),
    paths: Sequence[str] = (),
    files: Sequence[str] | None = None,
    fix: bool = False,
) -> Reading:
    request = Request(
        root=root,
        cwd=root / cwd,
        out=root / "out",
        args=tuple(args),
        paths=tuple(paths),
        files=None if files is None else tuple(files),
        fix=fix,
    )
    return preset.read(request, ended(preset, request))


def rows(reading: Reading) -> list[tuple[str, int, int, str, str]]:
    """(file, line, column, rule, severity) of each finding, in order of place."""
    return sorted((one.file, one.line, one.column, one.rule, one.severity) for one in reading.findings)


def refusal(preset: Preset, code: int, stdout: str = "", stderr: str = "", *, request: Request | None = None) -> str:
    """Why an end of the tool that is put together here cannot be read."""
    with pytest.raises(Unreadable) as error:
        preset.read(request or asked(), Ended(code, stdout, stderr))
    return str(error.value)


def asked(root: Path = Path("/shop"), **more: object) -> Request:
    return Request(root=root, cwd=root, out=root / "out", **more)  # type: ignore[arg-type]
