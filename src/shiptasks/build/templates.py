"""Texts with `{{branch}}`, `{{version}}` or `{{date 'YYYYMMDD' tz='UTC'}}` in them, as tag rules have them.

The notation is the part of Handlebars that rules use. Values are put in as they are, never escaped for HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shiptasks.build.event import Event
from shiptasks.build.moments import moment
from shiptasks.config.suggest import nearest

_STATEMENT = re.compile(r"\{\{\{(.*?)\}\}\}|\{\{(.*?)\}\}", re.DOTALL)
_WORD = re.compile(r"""(?:(\w+)=)?(?:'([^']*)'|"([^"]*)"|([^\s'"=]+))(?=\s|\Z)""")
_DATES = ("date", "commit_date")
_EVENT = ("branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch")
NAMES = (*_EVENT, *_DATES)
"""What every template knows; patterns of versions know `VERSION_NAMES` as well."""
VERSION_NAMES = ("version", "raw", "major", "minor", "patch", "prerelease", "build")


@dataclass(frozen=True)
class Statement:
    """What stands between the braces: a name, and for dates the pattern (None: ISO 8601) and the zone."""

    name: str
    pattern: str | None = None
    zone: str = "UTC"


def parse(text: str, names: tuple[str, ...] = NAMES) -> tuple[str | Statement, ...]:
    """The text in pieces. Raises ValueError, saying what is expected, for what cannot be filled in."""
    pieces: list[str | Statement] = []
    end = 0
    for match in _STATEMENT.finditer(text):
        pieces += [text[end : match.start()], _statement(match[1] or match[2] or "", match[0], names)]
        end = match.end()
    rest = text[end:]
    if "{{" in rest:
        raise ValueError(f'"{{{{" without "}}}}" in "{text}"')
    return (*pieces, rest)


def fill(text: str, event: Event, version: Mapping[str, str] | None = None) -> str:
    """The text with everything filled in. Raises ValueError as `parse` does."""
    names = NAMES if version is None else (*NAMES, *VERSION_NAMES)
    return "".join(
        piece if isinstance(piece, str) else _value(piece, event, version or {}) for piece in parse(text, names)
    )


def is_raw(text: str) -> bool:
    """Whether the text is just `{{raw}}`: the version as it was written."""
    return re.fullmatch(r"\s*\{\{\{?\s*raw\s*\}?\}\}\s*", text) is not None


def _statement(inner: str, whole: str, names: tuple[str, ...]) -> Statement:
    name, _, rest = inner.strip().partition(" ")
    if name not in names:
        near = nearest(name, names) if name else None
        raise ValueError(f"{whole} is not known" + (f', did you mean "{{{{{near}}}}}"?' if near else ""))
    words, end = [], 0
    rest = rest.strip()
    while end < len(rest):
        match = _WORD.match(rest, end)
        if match is None:
            raise ValueError(f"{whole} cannot be read: a pattern stands in quotes, as in {{{{date 'YYYYMMDD'}}}}")
        words.append(match)
        end = match.end()
        end += len(rest[end:]) - len(rest[end:].lstrip())
    if words and name not in _DATES:
        raise ValueError(f"{whole} cannot be read: {{{{{name}}}}} takes nothing more")
    pattern, zone = None, "UTC"
    for position, word in enumerate(words):
        quoted = next((part for part in (word[2], word[3]) if part is not None), None)
        if word[1] == "tz" and quoted is not None:
            zone = quoted
        elif word[1] is not None or position:
            raise ValueError(f"{whole} cannot be read: a pattern and tz='…' are what a date takes")
        else:
            # Without quotes Handlebars takes it for a variable that is not set: the date comes in ISO 8601.
            pattern = quoted
    return Statement(name, pattern, zone)


def _value(statement: Statement, event: Event, version: Mapping[str, str]) -> str:
    name = statement.name
    if name in version:
        return version[name]
    if name in _DATES:
        return moment(event.time if name == "date" else event.committed, statement.pattern, statement.zone)
    values = {
        "branch": event.branch,
        "tag": event.tag,
        "sha": event.short_sha,
        "base_ref": event.base_ref,
        "is_default_branch": "true" if event.on_default_branch else "false",
        "is_not_default_branch": "false" if event.on_default_branch else "true",
    }
    return values.get(name, "")
