"""flake8, from version 6 on. Its JSON is a plugin's: a line in a form of ours is read, whatever else is configured."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.check.preset import Ended, Preset, Reading, Request
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding, Severity

_TAKES = targets.by_suffix(".py")
_FORM = "--format=::%(row)d:%(col)d:%(code)s:%(path)s:: %(text)s"
_LINE = re.compile(rf"^::{reading.LINE}:{reading.COLUMN}:(?P<code>\w+):{reading.PATH}:: (?P<text>.*)$", re.MULTILINE)
_FIGURES = re.compile(r"(?:\s*[0-9].*\n?|\s*\n)*")  # what it is configured to count


def _command(request: Request) -> tuple[str, ...]:
    paths = targets.folders(request, "Python file", _TAKES)
    return ("flake8", _FORM, "--no-show-source", *request.args, "--", *paths)


def _read(request: Request, ended: Ended) -> Reading:
    if "Traceback (most recent call last)" in ended.stderr:
        raise reading.failure("flake8", ended)
    findings = tuple(_findings(request, reading.plain(ended.stdout)))
    if ended.exit_code == 0 and not findings and not _FIGURES.fullmatch(ended.stdout):
        raise reading.failure("flake8", ended)
    return reading.verdict("flake8", ended, findings)


def _findings(request: Request, said: str) -> Iterator[Finding]:
    for match in _LINE.finditer(said):
        code, text = match["code"], match["text"]
        yield reading.finding(
            request, match["path"], int(match["line"]), code, text, _severity(code), int(match["column"])
        )


def _severity(code: str) -> Severity:
    """pycodestyle and pyflakes call E and F errors; W, and what plugins find, are warnings."""
    return "high" if code.startswith(("E", "F")) else "medium"


PRESET = Preset(
    name="flake8",
    kind="lint",
    install="pip install flake8",
    command=_command,
    read=_read,
    takes=_TAKES,
    version=("flake8", "--version"),
)
