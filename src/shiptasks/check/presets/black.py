"""black, from version 23 on. It has no machine output: its lines on stderr are read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding

_TAKES = targets.by_suffix(".py", ".pyi")
_INTERNAL = 123
_CRASH = "INTERNAL ERROR"
_NEXT = r"(?=\n(?:would reformat |reformatted |error: |unchanged |\n|All done|Oh no|[0-9]+ files? )|\n?\Z)"
_UNFORMATTED = re.compile(rf"^would reformat {reading.PATH}{_NEXT}", re.MULTILINE)
_UNPARSED = re.compile(rf"^error: cannot format {reading.PATH}: (?P<message>[^\n]*){_NEXT}", re.MULTILINE)
_UNPARSED_PLACE = re.compile(rf"(?P<message>Cannot parse[^:]*): {reading.LINE}:{reading.COLUMN}: ?(?P<source>.*)")
_UNPARSED_BLOCK = re.compile(  # how it says the same from version 26 on
    rf"^error: cannot parse: {reading.PATH}:{reading.LINE}:{reading.COLUMN}\n(?:[ \t].*\n)*(?P<message>\S.*)?",
    re.MULTILINE,
)
_NOTHING = "No Python files are present"  # said with exit code 0 when the configuration excludes all there is


def _command(request: Request) -> tuple[str, ...]:
    check = () if request.fix else ("--check",)
    return ("black", *check, *request.args, "--", *targets.folders(request, "Python file", _TAKES))


def _read(request: Request, ended: Ended) -> Reading:
    said = reading.plain(ended.stderr)
    if request.files is None and ended.exit_code == 0 and _NOTHING in said:
        raise Unreadable(
            f"there is nothing under {targets.places(request)} that black's configuration does not exclude"
        )
    if _CRASH in said:
        raise reading.failure("black", ended)
    findings = (*_unformatted(request, said), *_unparsed(request, said))
    found = (1, _INTERNAL) if any(each.rule == "invalid-syntax" for each in findings) else (1,)
    # Having formatted, it says in its last line how much.
    return reading.verdict("black", ended, findings, found=found, detail="" if request.fix else None)


def _unformatted(request: Request, said: str) -> Iterator[Finding]:
    for match in _UNFORMATTED.finditer(said):
        yield reading.finding(request, match["path"], 0, "unformatted", "File would be reformatted", "high")


def _unparsed(request: Request, said: str) -> Iterator[Finding]:
    """Files that it cannot read. Its columns count from 0."""
    for match in _UNPARSED.finditer(said):
        place = _UNPARSED_PLACE.fullmatch(match["message"])
        line, column = (int(place["line"]), int(place["column"]) + 1) if place else (0, 0)
        message = f"{place['message']}: {place['source']}" if place else match["message"]
        yield reading.finding(request, match["path"], line, "invalid-syntax", message, "high", column)
    for match in _UNPARSED_BLOCK.finditer(said):
        line, column = int(match["line"]), int(match["column"]) + 1
        yield reading.finding(
            request, match["path"], line, "invalid-syntax", match["message"] or "cannot parse", "high", column
        )


PRESET = Preset(
    name="black",
    kind="lint",
    install="pip install black",
    command=_command,
    read=_read,
    takes=_TAKES,
    can_fix=True,
    version=("black", "--version"),
)
