"""The value that a single tag rule gives for an event, before anything is put around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shiptasks.build import templates
from shiptasks.build.event import Event
from shiptasks.build.tagrules import Rule, regular
from shiptasks.build.versions import Parsed, pep440, semver


class Silent(Exception):
    """A rule gives no tag; its text is the reason."""


@dataclass(frozen=True)
class Found:
    """What a rule gave: the tag as it is meant, whether it may be `latest`, and the version that this is about.

    `text` is what the rule looked at, where that is not the git tag alone.
    """

    value: str
    latest: bool = False
    version: Parsed | None = None
    text: str = ""


def find(event: Event, rule: Rule) -> Found:
    """What the rule gives. Raises Silent where it gives nothing for this event, ValueError for a template at fault."""
    return _PROCEDURES[rule.type](event, rule)


def _given(event: Event, rule: Rule) -> str:
    """What a rule about versions looks at: its own value, else the git tag."""
    if rule["value"]:
        return templates.fill(rule["value"], event)
    if not event.tag:
        raise Silent("not a tag")
    return event.tag


def _schedule(event: Event, rule: Rule) -> Found:
    if "schedule" not in event.name:
        raise Silent("not a schedule")
    return Found(templates.fill(rule["pattern"], event))


def _semver(event: Event, rule: Rule) -> Found:
    return _version(event, rule, semver, "a semantic version")


def _pep440(event: Event, rule: Rule) -> Found:
    return _version(event, rule, pep440, "a version by PEP 440")


def _version(event: Event, rule: Rule, parse: Callable[[str], Parsed | None], called: str) -> Found:
    given = _given(event, rule)
    text = given
    if rule["match"]:
        match = regular(rule["match"])[0].search(text)
        if match is None:
            raise Silent(f"{text} does not match")
        text = (match[1] if match.re.groups else None) or match[0]
    found = parse(text)
    if found is None:
        raise Silent(f"{text} is not {called}")
    plain = found.final if rule.type == "pep440" else not found.prerelease
    # What is no release must not take the place of one: it has no 1.4 or 1, only all of itself.
    pattern = rule["pattern"] if plain or templates.is_raw(rule["pattern"]) else "{{version}}"
    return Found(templates.fill(pattern, event, found.parts), latest=plain, version=found, text=given)


def _match(event: Event, rule: Rule) -> Found:
    text = _given(event, rule)
    expression, every = regular(rule["pattern"])
    group = int(rule["group"])
    if every:
        values: list[str | None] = [match[0] for match in expression.finditer(text)]
    else:
        match = expression.search(text)
        values = [match[0], *match.groups()] if match else []
    if not values:
        raise Silent(f"{text} does not match")
    value = values[group] if group < len(values) else None
    if value is None:
        raise Silent(f"there is no group {group}")
    return Found(value, latest=True, text=text)


def _edge(event: Event, rule: Rule) -> Found:
    branch = rule["branch"] or event.default_branch
    if not event.branch or event.branch != branch:
        raise Silent(f"not the branch {branch}" if branch else "the default branch is not known")
    return Found("edge")


def _ref(event: Event, rule: Rule) -> Found:
    kind = rule["event"]
    value = {"branch": event.branch, "tag": event.tag, "pr": event.number}[kind]
    if not value:
        raise Silent(f"not a {'pull request' if kind == 'pr' else kind}")
    return Found(value, latest=kind == "tag")


def _raw(event: Event, rule: Rule) -> Found:
    return Found(templates.fill(rule["value"], event))


def _sha(event: Event, rule: Rule) -> Found:
    if not event.sha:
        raise Silent("no commit is known")
    return Found(event.sha + event.mark if rule["format"] == "long" else event.short_sha)


_PROCEDURES: Mapping[str, Callable[[Event, Rule], Found]] = {
    "schedule": _schedule,
    "semver": _semver,
    "pep440": _pep440,
    "match": _match,
    "edge": _edge,
    "ref": _ref,
    "raw": _raw,
    "sha": _sha,
}
