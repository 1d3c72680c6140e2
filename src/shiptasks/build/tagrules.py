"""Rules for tags as they are written, `type=semver,pattern={{major}}`, and the flavor that goes for all of them.

The notation is that of docker/metadata-action, with every attribute checked before anything is built.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from shiptasks.build import templates
from shiptasks.config.suggest import nearest
from shiptasks.errors import UsageError

Latest = Literal["auto", "true", "false"]

_COMMON = ("enable", "priority", "prefix", "suffix")
_PRIORITY: Mapping[str, int] = {
    "schedule": 1000, "semver": 900, "pep440": 900, "match": 800, "edge": 700, "ref": 600, "raw": 200, "sha": 100,
}  # fmt: skip
# The attributes of each type with their defaults; None is one that must be given.
_ATTRIBUTES: Mapping[str, Mapping[str, str | None]] = {
    "schedule": {"pattern": "nightly"},
    "semver": {"pattern": None, "value": "", "match": ""},
    "pep440": {"pattern": None, "value": "", "match": ""},
    "match": {"pattern": None, "group": "0", "value": ""},
    "edge": {"branch": ""},
    "ref": {"event": None},
    "raw": {"value": None},
    "sha": {"format": "short"},
}
_CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("ref", "event"): ("branch", "tag", "pr"),
    ("sha", "format"): ("short", "long"),
}
# Where templates may stand, and those that know the parts of a version.
_TEMPLATES = frozenset({"enable", "prefix", "suffix", "value"})

Where = Callable[[int], str]
"""The place in the configuration of the rule of that index."""


@dataclass(frozen=True)
class Rule:
    """One rule. `text` is how it was written; `prefix` and `suffix` are None where the flavor's go."""

    text: str
    type: str
    priority: int
    enable: str
    prefix: str | None
    suffix: str | None
    attributes: Mapping[str, str]

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]


@dataclass(frozen=True)
class Flavor:
    """What goes for all tags: whether `latest` is one of them, and what stands before and behind each."""

    latest: Latest = "auto"
    prefix: str = ""
    prefix_latest: bool = False
    suffix: str = ""
    suffix_latest: bool = False


def parse_rules(lines: Iterable[str], where: Where | None = None) -> tuple[Rule, ...]:
    """The rules, those of the highest priority first. Raises UsageError with the place of a wrong one."""
    rules = []
    for index, line in enumerate(lines):
        try:
            rules.append(parse_rule(line))
        except ValueError as error:
            raise UsageError(
                f"the tag rule {line!r} does not fit: {error}",
                where=where(index) if where else "",
                now="nothing was run",
                hint='a rule is such as "type=ref,event=branch" or "type=semver,pattern={{version}}"; docs/build.md',
            ) from None
    return tuple(sorted(rules, key=lambda rule: -rule.priority))


def parse_flavor(lines: Iterable[str], where: Where | None = None) -> Flavor:
    """The flavor. Raises UsageError with the place of what is wrong in it."""
    values: dict[str, str] = {}
    for index, line in enumerate(lines):
        try:
            values |= _flavor_line(line)
        except ValueError as error:
            raise UsageError(
                f"the flavor {line!r} does not fit: {error}",
                where=where(index) if where else "",
                now="nothing was run",
                hint='"latest=auto", "prefix=dev-" or "suffix=-alpine,onlatest=true"',
            ) from None
    latest = {"true": "true", "false": "false"}.get(values.get("latest", ""), "auto")
    return Flavor(
        latest=cast("Latest", latest),
        prefix=values.get("prefix", ""),
        prefix_latest=values.get("prefix onlatest") == "true",
        suffix=values.get("suffix", ""),
        suffix_latest=values.get("suffix onlatest") == "true",
    )


def parse_rule(text: str) -> Rule:
    """One rule. Raises ValueError that says what is wrong, and the nearest that is right."""
    given = {key or "value": value for key, value in _fields(text)}
    kind = given.pop("type", "raw")
    if kind not in _ATTRIBUTES:
        raise ValueError(f'there is no type "{kind}"{_near(kind, _ATTRIBUTES)}')
    known = _ATTRIBUTES[kind]
    for key in given:
        if key not in known and key not in _COMMON:
            raise ValueError(f'type={kind} has no attribute "{key}"{_near(key, (*known, *_COMMON))}')
    attributes = {}
    for key, default in known.items():
        value = given.get(key, default)
        if value is None or (default is None and not value):
            raise ValueError(f'type={kind} needs "{key}"')
        choices = _CHOICES.get((kind, key))
        if choices and value not in choices:
            raise ValueError(f'{key}="{value}" is none of {", ".join(choices)}{_near(value, choices)}')
        attributes[key] = value
    prefix = given.get("prefix", {"ref": "pr-" if attributes.get("event") == "pr" else None, "sha": "sha-"}.get(kind))
    rule = Rule(
        text=text,
        type=kind,
        priority=_number("priority", given.get("priority", str(_PRIORITY[kind]))),
        enable=given.get("enable", "true"),
        prefix=prefix,
        suffix=given.get("suffix"),
        attributes=attributes,
    )
    _check(rule)
    return rule


def regular(pattern: str) -> tuple[re.Pattern[str], bool]:
    """A regular expression, also as `/…/flags`, and whether it asks for all matches (`g`). Raises ValueError."""
    flags, every = re.ASCII, False
    delimited = re.fullmatch(r"/(.+)/(.*)", pattern, re.DOTALL)
    if delimited:
        pattern = delimited[1]
        for flag in delimited[2]:
            if flag not in "dgimsuvy":
                raise ValueError(f'there is no flag "{flag}" of regular expressions')
            every = every or flag == "g"
            flags |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}.get(flag, 0)
    try:
        return re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", pattern), flags), every
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f'"{pattern}" is not a regular expression: {error}') from None


def _check(rule: Rule) -> None:
    values = {**rule.attributes, "enable": rule.enable, "prefix": rule.prefix or "", "suffix": rule.suffix or ""}
    for key, value in values.items():
        if key in _TEMPLATES:
            templates.parse(value)
        elif key == "pattern" and rule.type in ("semver", "pep440"):
            templates.parse(value, (*templates.NAMES, *templates.VERSION_NAMES))
        elif key == "pattern" and rule.type == "schedule":
            templates.parse(value)
        elif value and (key, rule.type) in (("pattern", "match"), ("match", "semver"), ("match", "pep440")):
            regular(value)
    if "{{" not in rule.enable and rule.enable not in ("true", "false"):
        raise ValueError(f'enable="{rule.enable}" is none of true, false, {{{{is_default_branch}}}}')
    if "group" in rule.attributes:
        _number("group", rule["group"])


def _flavor_line(line: str) -> dict[str, str]:
    found: dict[str, str] = {}
    last = ""
    for key, value in _fields(line):
        if not key:
            raise ValueError(f'"{value}" has no "="')
        if key == "onlatest" and last in ("prefix", "suffix"):
            found[f"{last} onlatest"] = _one_of(key, value, ("true", "false"))
        elif key == "latest":
            found[key] = _one_of(key, value, ("auto", "true", "false"))
        elif key in ("prefix", "suffix"):
            templates.parse(value)
            found[key], last = value, key
        else:
            known = ("latest", "prefix", "suffix", "onlatest")
            raise ValueError(
                f'"{key}" stands behind prefix= or suffix='
                if key == "onlatest"
                else f'there is no "{key}"{_near(key, known)}'
            )
    return found


def _fields(text: str) -> list[tuple[str, str]]:
    """(key, value) of each field; the key is empty where there is only a value."""
    if not text.strip() or "\n" in text or "\r" in text or "\0" in text:
        raise ValueError("it is empty, or more than a line")
    try:
        fields = next(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise ValueError(f"it cannot be read: {error}") from None
    found: list[tuple[str, str]] = []
    for field in fields:
        key, equals, value = field.partition("=")
        # A value may have "=" in it: {{date 'YYYY' tz='UTC'}}.
        named = equals and re.fullmatch(r"\s*[\w-]+\s*", key)
        pair = (key.strip().lower(), value.strip()) if named else ("", field.strip())
        if any(pair[0] == other for other, _ in found):
            raise ValueError(f'"{pair[0] or "value"}" is given twice')
        found.append(pair)
    return found


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f'{key}="{value}" is none of {", ".join(choices)}')
    return value


def _number(key: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise ValueError(f'{key}="{value}" is not a number')
    return int(value)


def _near(word: str, candidates: Iterable[str]) -> str:
    near = nearest(word, candidates)
    return f', did you mean "{near}"?' if near else ""
