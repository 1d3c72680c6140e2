"""isort, from version 5 on. It has no machine output: its lines are read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding

_TAKES = targets.by_suffix(".py", ".pyi")
_UNSORTED = re.compile(
    rf"^ERROR: {reading.PATH} (?P<message>Imports are incorrectly sorted and/or formatted\.)$", re.MULTILINE
)
# What it warns of, and then passes.
_UNPARSED = re.compile(rf"\bUserWarning: Unable to parse file {reading.PATH} due to (?P<message>.*)$", re.MULTILINE)
_BROKEN = re.compile(r"^Broken \d+ paths$|Failed to pull configuration information from .*", re.MULTILINE)
_FIXED = re.compile(r"^Fixing ", re.MULTILINE)


def _command(request: Request) -> tuple[str, ...]:
    check = () if request.fix else ("--check-only",)
    # A changed file that the configuration skips stays skipped, although it is named.
    skip = () if request.files is None else ("--filter-files",)
    form = "--format-error={error}: {message}"  # which a configuration may have changed
    paths = targets.folders(request, "Python file", _TAKES)
    return ("isort", *check, form, *skip, *request.args, "--", *paths)


def _read(request: Request, ended: Ended) -> Reading:
    said = f"{reading.plain(ended.stdout)}\n{reading.plain(ended.stderr)}"
    broken = _BROKEN.search(said)
    if broken:
        raise Unreadable(f"isort could not do all: {reading.last_words(Ended(0, '', broken[0]))}")
    unparsed = tuple(_unparsed(request, said))
    findings = (*_unsorted(request, said), *unparsed)
    fixed = len(_FIXED.findall(said))
    detail = f"{fixed} file{'s' * (fixed != 1)} fixed" if request.fix and not findings else None
    told = reading.verdict("isort", ended, findings, detail=detail)
    return Reading(told.passed and not unparsed, told.findings, told.detail)


def _unsorted(request: Request, said: str) -> Iterator[Finding]:
    for match in _UNSORTED.finditer(said):
        yield reading.finding(request, match["path"], 0, "unsorted", match["message"], "high")


def _unparsed(request: Request, said: str) -> Iterator[Finding]:
    for match in _UNPARSED.finditer(said):
        yield reading.finding(request, match["path"], 0, "unreadable", match["message"], "high")


PRESET = Preset(
    name="isort",
    kind="lint",
    install="pip install isort",
    command=_command,
    read=_read,
    takes=_TAKES,
    can_fix=True,
    environ=lambda _: {"PYTHONWARNINGS": "default"},  # it only warns of a file that it cannot read
    version=("isort", "--version-number"),
)
