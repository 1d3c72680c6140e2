"""What all lint presets share in reading: where a finding is, the values of a report, what an exit code means.

A tool has worked when it ended with 0, or with its code for findings and at least one finding. Everything else is
`Unreadable`, with the tool's last words.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, cast

from shiptasks.check.preset import Ended, Reading, Request, Unreadable
from shiptasks.plugins.protocols import Finding, Severity
from shiptasks.run.process import ending
from shiptasks.run.text import one_line

LONGEST = 1000
"""Characters of a finding's message that are kept."""

PATH = r"(?P<path>[^\0]{1,4096}?)"
LINE = r"(?P<line>[0-9]{1,9})"
COLUMN = r"(?P<column>[0-9]{1,9})"
"""Parts of the patterns by which text is read. A path may have line ends in it."""

_LAST_WORDS = 300
_HASKELL = "HasCallStack backtrace:"  # what follows is for the authors of hadolint and shellcheck
_COLOURS = re.compile(r"\x1b\[[0-9;]*[mK]")

SEVERITIES: Mapping[str, Severity] = {
    "fatal": "high",
    "error": "high",
    "warning": "medium",
    "info": "low",
    "note": "low",
    "style": "low",
    "convention": "low",
    "refactor": "low",
}
"""The levels that tools know. One that is not here counts as an error."""


def severity_of(level: object) -> Severity:
    """Our severity for a tool's level."""
    return SEVERITIES.get(level.lower(), "high") if isinstance(level, str) else "high"


def verdict(
    tool: str, ended: Ended, findings: Sequence[Finding], *, found: Collection[int] = (1,), detail: str | None = None
) -> Reading:
    """What the end of a tool means whose exit codes for findings are `found`. Raises Unreadable."""
    if ended.exit_code != 0 and (ended.exit_code not in found or not findings):
        raise failure(tool, ended)
    if detail is None:
        detail = "no findings" if not findings else "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return Reading(ended.exit_code == 0, tuple(findings), detail)


def failure(tool: str, ended: Ended) -> Unreadable:
    """The tool itself failed, in its own words."""
    words = last_words(ended)
    said = f"{tool} {ending(ended.exit_code)}" if ended.exit_code else f"the report of {tool} cannot be read"
    wrote = "" if (ended.stdout + ended.stderr).strip() else ", and it wrote nothing"
    return Unreadable(f"{said}: {words}" if words else f"{said}{wrote}")


def last_words(ended: Ended) -> str:
    """The line in which a tool says why: the last of stderr, or of stdout, that names an error, or the last at all."""
    for output in (ended.stderr, ended.stdout):
        lines = [one_line(line) for line in output.partition(_HASKELL)[0].splitlines()]
        lines = [line for line in lines if any(char.isalnum() for char in line)]
        naming = [line for line in lines if "error" in line.lower()]
        if lines:
            return shortened((naming or lines)[-1], _LAST_WORDS)
    return ""


def shortened(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def plain(text: str) -> str:
    """An output in text without colours, which a tool may be configured to write always."""
    return _COLOURS.sub("", text)


def finding(
    request: Request, path: str, line: int, rule: str, message: str, severity: Severity, column: int = 0
) -> Finding:
    """A finding in our form, of what a tool said of a path as it wrote it."""
    return Finding(
        file=whole(where(request, path)),
        line=max(line, 0),
        rule=whole(one_line(rule)),
        message=shortened(whole(one_line(message))),
        severity=severity,
        column=max(column, 0),
    )


def whole(text: str) -> str:
    """`text` as it can be written as UTF-8: halves of characters, from names that are none, become `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def where(request: Request, path: str) -> str:
    """A path as a tool wrote it (absolute, or from its folder), relative to the root; with `/`.

    One outside of the root stays absolute.
    """
    there = Path(os.path.normpath(request.cwd / path))
    for root, seen in ((request.root, there), (_resolved(request.root), _resolved(there))):
        if seen.is_relative_to(root):
            return seen.relative_to(root).as_posix()
    return there.as_posix()


def _resolved(path: Path) -> Path:
    """Without symbolic links: some tools print where a link leads, such as macOS's /private/tmp."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path


def parsed(tool: str, ended: Ended, text: str) -> object:
    """The JSON that a tool wrote. Raises Unreadable."""
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        raise failure(tool, ended) from None


class Entry:
    """One object of a report; each of its values has to be of the kind that is asked for, or it is Unreadable."""

    def __init__(self, tool: str, values: object, name: str = "an entry") -> None:
        self._tool = tool
        self._values: dict[str, object] = values if isinstance(values, dict) else self._wrong(f"{name} is no object")

    def text(self, key: str, default: str | None = None) -> str:
        """A string; `default`, where given, when there is none or null."""
        value = self._values.get(key)
        if value is None and default is not None:
            return default
        return value if isinstance(value, str) else self._wrong(f"{key} is no text")

    def number(self, key: str, default: int | None = None) -> int:
        """A whole number; `default`, where given, when there is none or null."""
        value = self._values.get(key)
        if value is None and default is not None:
            return default
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return cast("int", value) if is_number else self._wrong(f"{key} is no whole number")

    def inner(self, key: str) -> Entry:
        """An object in this one."""
        return Entry(self._tool, self._values.get(key), key)

    def each(self, key: str) -> tuple[Entry, ...]:
        """The objects of a list in this one."""
        return listed(self._tool, self._values.get(key), key)

    def _wrong(self, how: str) -> NoReturn:
        raise Unreadable(f"{self._tool} wrote a report of an unknown form: {how}")


def listed(tool: str, value: object, name: str = "the whole") -> tuple[Entry, ...]:
    """The objects of a list. Raises Unreadable when it is none."""
    if not isinstance(value, list):
        raise Unreadable(f"{tool} wrote a report of an unknown form: {name} is no list")
    return tuple(Entry(tool, each) for each in value)
