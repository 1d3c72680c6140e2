"""mypy, from version 1.11 on, which is the first that writes JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding

_BLOCKED = 2  # for a file that cannot be parsed, which is a finding, as well as for all that goes wrong
# How versions before 2 tell of that file even where JSON is wanted.
_UNPARSED = re.compile(rf"{reading.PATH}:{reading.LINE}: error: (?P<message>.*?)(?:  \[(?P<code>[\w-]+)\])?")
_SUMMARY = re.compile(r"Found \d+ errors? in |Success: ")


def _command(request: Request) -> tuple[str, ...]:
    # Without paths it takes those of its own configuration, and says so when there are none.
    return ("mypy", "--output=json", *request.args, "--", *targets.guarded(request.paths))


def _read(request: Request, ended: Ended) -> Reading:
    if ended.exit_code == _BLOCKED and "--output=json" in ended.stderr:
        raise Unreadable("this mypy cannot write JSON; 1.11 or later is needed: pip install --upgrade mypy")
    if "Missing target module" in ended.stderr:
        raise Unreadable("mypy was not told what to look at: give paths here, or `files` in mypy's configuration")
    findings = tuple(_findings(request, ended))
    is_syntax = any(each.rule == "syntax" for each in findings)
    told = reading.verdict("mypy", ended, findings, found=(1, _BLOCKED) if is_syntax else (1,))
    # In JSON it does not know its notes from errors when it chooses its exit code.
    only_notes = ended.exit_code == 1 and all(each.severity != "high" for each in findings)
    return Reading(told.passed or only_notes, told.findings, told.detail)


def _findings(request: Request, ended: Ended) -> Iterator[Finding]:
    """Columns count from 0, as in mypy; -1 is none."""
    for line in reading.plain(ended.stdout).split("\n"):
        unparsed = _UNPARSED.fullmatch(line) if ended.exit_code == _BLOCKED else None
        if unparsed:
            rule = unparsed["code"] or "error"
            yield reading.finding(request, unparsed["path"], int(unparsed["line"]), rule, unparsed["message"], "high")
        elif line.strip() and not _SUMMARY.match(line):
            entry = reading.Entry("mypy", reading.parsed("mypy", ended, line))
            hint = entry.text("hint", "")
            yield reading.finding(
                request,
                entry.text("file"),
                entry.number("line"),
                entry.text("code", "error"),
                f"{entry.text('message')} ({hint})" if hint else entry.text("message"),
                reading.severity_of(entry.text("severity")),
                entry.number("column", -1) + 1,
            )


PRESET = Preset(
    name="mypy",
    kind="lint",
    install="pip install mypy",
    command=_command,
    read=_read,
    version=("mypy", "--version"),
)
