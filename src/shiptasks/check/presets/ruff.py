"""ruff, as a linter and as a formatter; both from version 0.4 on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding

_INSTALL = "pip install ruff"
_TAKES = targets.by_suffix(".py", ".pyi", ".ipynb")
_NOTHING = "No Python files found"  # said with exit code 0 when the configuration excludes all there is
_UNFORMATTED = re.compile(
    rf"^Would reformat: {reading.PATH}$(?=\n(?:Would reformat: |[0-9]+ files? )|\n?\Z)", re.MULTILINE
)
_UNPARSED = re.compile(
    rf"^error: Failed to parse {reading.PATH}:{reading.LINE}:{reading.COLUMN}: (?P<message>.*)$", re.MULTILINE
)


def _check(request: Request) -> tuple[str, ...]:
    fix = "--fix" if request.fix else "--no-fix"  # `fix = true` of the configuration mends nothing unasked
    return ("ruff", "check", "--output-format=json", fix, *_rest(request))


def _format(request: Request) -> tuple[str, ...]:
    return ("ruff", "format", *(() if request.fix else ("--check",)), *_rest(request))


def _rest(request: Request) -> tuple[str, ...]:
    # A changed file that the configuration excludes stays excluded, although it is named.
    force = () if request.files is None else ("--force-exclude",)
    return (*force, *request.args, "--", *targets.folders(request, "Python file", _TAKES))


def _read_check(request: Request, ended: Ended) -> Reading:
    if ended.exit_code not in (0, 1):
        raise reading.failure("ruff", ended)
    _refuse_nothing(request, ended)
    return reading.verdict("ruff", ended, tuple(_diagnostics(request, ended)))


def _read_format(request: Request, ended: Ended) -> Reading:
    _refuse_nothing(request, ended)
    if ended.stdout.lstrip().startswith("["):
        findings = tuple(_diagnostics(request, ended))
    else:
        findings = tuple(_lines(request, ended))
    # With 2 it ends for a file that it cannot parse, which is a finding, as well as for all that goes wrong.
    found = (1, 2) if any(each.rule == "invalid-syntax" for each in findings) else (1,)
    # Having formatted, it says in its last line how much.
    return reading.verdict("ruff format", ended, findings, found=found, detail="" if request.fix else None)


def _refuse_nothing(request: Request, ended: Ended) -> None:
    if request.files is None and ended.exit_code == 0 and _NOTHING in ended.stderr:
        raise Unreadable(f"there is nothing under {targets.places(request)} that ruff's configuration does not exclude")


def _diagnostics(request: Request, ended: Ended) -> Iterator[Finding]:
    for entry in reading.listed("ruff", reading.parsed("ruff", ended, ended.stdout)):
        place = entry.inner("location")
        yield reading.finding(
            request,
            entry.text("filename"),
            place.number("row"),
            entry.text("code", "invalid-syntax"),
            entry.text("message"),
            reading.severity_of(entry.text("severity", "error")),
            place.number("column"),
        )


def _lines(request: Request, ended: Ended) -> Iterator[Finding]:
    """What a formatter says that has no JSON yet, or is formatting."""
    for match in _UNFORMATTED.finditer(reading.plain(ended.stdout)):
        yield reading.finding(request, match["path"], 0, "unformatted", "File would be reformatted", "high")
    for match in _UNPARSED.finditer(reading.plain(ended.stderr)):
        line, column = int(match["line"]), int(match["column"])
        yield reading.finding(request, match["path"], line, "invalid-syntax", match["message"], "high", column)


def _environ(request: Request) -> dict[str, str]:
    # Versions that can, write JSON; to those that cannot, unlike an option, it is no error.
    return {} if request.fix else {"RUFF_OUTPUT_FORMAT": "json"}


CHECK = Preset(
    name="ruff",
    kind="lint",
    install=_INSTALL,
    command=_check,
    read=_read_check,
    takes=_TAKES,
    can_fix=True,
    version=("ruff", "--version"),
)
FORMAT = Preset(
    name="ruff-format",
    kind="lint",
    install=_INSTALL,
    command=_format,
    read=_read_format,
    takes=_TAKES,
    can_fix=True,
    environ=_environ,
    version=("ruff", "--version"),
)
