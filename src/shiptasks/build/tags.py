"""Which tags the images of an event get, and why: the rules of docker/metadata-action, and ours where none are given.

Where they differ from the action: a tag is always legal, at most 128 characters that begin with a letter, digit or
`_`; what has to be cut carries a hash, so that two long names stay two tags. `+` becomes `_`, which no version has.
`latest` is for releases only, and never goes back to an older one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shiptasks.build import templates
from shiptasks.build.event import Event
from shiptasks.build.tagrules import Flavor, Rule, Where, parse_flavor, parse_rules, regular
from shiptasks.build.versions import Parsed, in_tag, newer_than, pep440, semver
from shiptasks.errors import UsageError

LONGEST = 128
_HASH = 12
_LATEST = "latest"


@dataclass(frozen=True)
class Tagged:
    """What the rules gave.

    `version` is the tag of the first rule that gave one, empty when none did; `names` are the tags in order, `tags`
    the references: each image with each name. `why` tells for each name which rule gave it; `silent` tells of each
    rule that gave nothing; `notes` is what people should know.
    """

    version: str
    names: tuple[str, ...]
    tags: tuple[str, ...]
    latest: bool
    why: Mapping[str, str]
    silent: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def references(self, image: str) -> tuple[str, ...]:
        """The tags of one image."""
        return tuple(f"{image.lower()}:{name}" for name in self.names)


@dataclass(frozen=True)
class _Silent(Exception):
    """A rule gives no tag, for this reason."""

    reason: str


@dataclass(frozen=True)
class _Found:
    """What a rule gave: the tag as it is meant, whether it may be `latest`, and the version that this is about."""

    value: str
    latest: bool = False
    version: Parsed | None = None
    text: str = ""


def tags(
    event: Event,
    rules: Sequence[str] = (),
    flavor: Sequence[str] = (),
    images: Sequence[str] = (),
    *,
    where: Where | None = None,
    where_flavor: Where | None = None,
) -> Tagged:
    """The tags that `rules` give for an event, or `default_rules` where there are none; for each of `images`.

    `where` and `where_flavor` tell the place of the rule or flavor of an index. Raises UsageError for a rule or
    flavor that is wrong.
    """
    written = tuple(rules) or default_rules(event)
    style = parse_flavor(flavor, where_flavor)
    names: dict[str, str] = {}
    silent, notes = [], []
    first: _Found | None = None
    for rule in parse_rules(written, where):
        place = where(rules.index(rule.text)) if where and rule.text in rules else ""
        try:
            found = _PROCEDURES[rule.type](event, rule) if _enabled(event, rule, place) else None
            if found is None:
                raise _Silent("not enabled")
            value = _around(event, found.value, rule.prefix, rule.suffix, style)
            if not value:
                raise _Silent("it gives nothing here")
        except _Silent as reason:
            silent.append((rule.text, reason.reason))
            continue
        except ValueError as error:
            raise _misfit(rule.text, error, place) from None
        names.setdefault(legal(value), rule.text)
        first = first or found
    version = next(iter(names), "")
    if first is not None:
        wanted = style.latest == "true" or (style.latest == "auto" and (first.latest or _by_default(event, rules)))
        held = _not_latest(event, first) if wanted else ""
        if held:
            notes.append(f"no latest: {held}")
        elif wanted:
            names.setdefault(_latest_name(event, style), _why_latest(event, style, first))
    return Tagged(
        version=version,
        names=tuple(names),
        tags=tuple(f"{image.lower()}:{name}" for image in images for name in names) if images else tuple(names),
        latest=_latest_name(event, style) in names,
        why=names,
        silent=tuple(silent),
        notes=tuple(notes),
    )


def default_rules(event: Event) -> tuple[str, ...]:
    """The rules where the configuration has none; they depend on the kind of the event.

    The version and its shorter forms for a tag with a version, and the tag itself for others; the number of a pull
    request; branch and commit for a branch; and what git calls it for a tree outside of CI.
    """
    if event.kind == "local":
        return (f"type=raw,value={event.version or '0.0.0-dev.uncommitted'}",)
    if event.number:
        return ("type=ref,event=pr",)
    if event.tag:
        found = semver(event.tag)
        if found is not None:
            # Below 1.0.0 a minor version may break what the one before it promised.
            major = () if found.parts["major"] == "0" else ("type=semver,pattern={{major}}",)
            return ("type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}", *major)
        return ("type=pep440,pattern={{version}}",) if pep440(event.tag) else ("type=ref,event=tag",)
    commit = ("type=raw,value={{branch}}-{{sha}}",) if event.sha and event.branch else ()
    return ("type=schedule", "type=ref,event=branch", *commit)


def legal(value: str) -> str:
    """The tag for a value: the value itself where a registry takes it, else the nearest that it takes.

    A value that is too long or begins with what a tag cannot begin with gets a hash of the whole, and stays apart
    from others that look alike.
    """
    clean = re.sub(r"[^a-zA-Z0-9._-]+", "-", value.replace("+", "_"))
    begun = clean.lstrip(".-")
    if begun == clean and len(clean) <= LONGEST:
        return clean
    mark = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{begun[: LONGEST - _HASH - 1]}-{mark}" if begun else mark


def _by_default(event: Event, rules: Sequence[str]) -> bool:
    """Without rules of its own the default branch is `latest` as well."""
    return not rules and event.kind != "local" and event.on_default_branch


def _not_latest(event: Event, found: _Found) -> str:
    """Why this cannot be `latest`; empty when it can."""
    text = found.text or event.tag
    version = found.version
    if version is None:
        split = in_tag(text)
        version = split[1] if split else None
    if version is None:
        return ""
    if version.prerelease:
        return f"{text} is a prerelease"
    if event.known_tags is None:
        return "the clone is shallow, and nobody says whether there is a newer version; fetch the tags"
    newer = newer_than(text, event.known_tags)
    return f"{newer} is newer than {text}" if newer else ""


def _latest_name(event: Event, style: Flavor) -> str:
    before, after = style.prefix if style.prefix_latest else "", style.suffix if style.suffix_latest else ""
    return legal(templates.fill(before, event) + _LATEST + templates.fill(after, event))


def _why_latest(event: Event, style: Flavor, found: _Found) -> str:
    if style.latest == "true":
        return "flavor latest=true"
    if found.latest:
        return f"newest release: {found.text or event.tag}"
    return "default branch"


def _enabled(event: Event, rule: Rule, place: str) -> bool:
    value = templates.fill(rule.enable, event)
    if value not in ("true", "false"):
        raise _misfit(rule.text, ValueError(f'enable gives "{value}", not true or false'), place)
    return value == "true"


def _around(event: Event, value: str, prefix: str | None, suffix: str | None, style: Flavor) -> str:
    before = style.prefix if prefix is None else prefix
    after = style.suffix if suffix is None else suffix
    return templates.fill(before, event) + value + templates.fill(after, event) if value else ""


def _misfit(rule: str, error: ValueError, place: str) -> UsageError:
    return UsageError(
        f"the tag rule {rule!r} does not fit: {error}",
        where=place,
        now="nothing was run",
        hint='a rule is such as "type=ref,event=branch" or "type=semver,pattern={{version}}"; docs/build.md',
    )


def _given(event: Event, rule: Rule) -> str:
    """What a rule about versions looks at: its own value, else the git tag."""
    if rule["value"]:
        return templates.fill(rule["value"], event)
    if not event.tag:
        raise _Silent("not a tag")
    return event.tag


def _schedule(event: Event, rule: Rule) -> _Found:
    if "schedule" not in event.name:
        raise _Silent("not a schedule")
    return _Found(templates.fill(rule["pattern"], event))


def _semver(event: Event, rule: Rule) -> _Found:
    return _version(event, rule, semver, "a semantic version")


def _pep440(event: Event, rule: Rule) -> _Found:
    return _version(event, rule, pep440, "a version by PEP 440")


def _version(event: Event, rule: Rule, parse: Callable[[str], Parsed | None], called: str) -> _Found:
    given = _given(event, rule)
    text = given
    if rule["match"]:
        match = regular(rule["match"])[0].search(text)
        if match is None:
            raise _Silent(f"{text} does not match")
        text = (match[1] if match.re.groups else None) or match[0]
    found = parse(text)
    if found is None:
        raise _Silent(f"{text} is not {called}")
    plain = found.final if rule.type == "pep440" else not found.prerelease
    # What is no release must not take the place of one: it has no 1.4 or 1, only all of itself.
    pattern = rule["pattern"] if plain or templates.is_raw(rule["pattern"]) else "{{version}}"
    return _Found(templates.fill(pattern, event, found.parts), latest=plain, version=found, text=given)


def _match(event: Event, rule: Rule) -> _Found:
    text = _given(event, rule)
    expression, every = regular(rule["pattern"])
    group = int(rule["group"])
    if every:
        values: list[str | None] = [match[0] for match in expression.finditer(text)]
    else:
        match = expression.search(text)
        values = [match[0], *match.groups()] if match else []
    if not values:
        raise _Silent(f"{text} does not match")
    value = values[group] if group < len(values) else None
    if value is None:
        raise _Silent(f"there is no group {group}")
    return _Found(value, latest=True, text=text)


def _edge(event: Event, rule: Rule) -> _Found:
    branch = rule["branch"] or event.default_branch
    if not event.branch or event.branch != branch:
        raise _Silent(f"not the branch {branch}" if branch else "the default branch is not known")
    return _Found("edge")


def _ref(event: Event, rule: Rule) -> _Found:
    kind = rule["event"]
    value = {"branch": event.branch, "tag": event.tag, "pr": event.number}[kind]
    if not value:
        raise _Silent(f"not a {'pull request' if kind == 'pr' else kind}")
    return _Found(value, latest=kind == "tag")


def _raw(event: Event, rule: Rule) -> _Found:
    return _Found(templates.fill(rule["value"], event))


def _sha(event: Event, rule: Rule) -> _Found:
    if not event.sha:
        raise _Silent("no commit is known")
    return _Found(event.sha + event.mark if rule["format"] == "long" else event.short_sha)


_PROCEDURES: Mapping[str, Callable[[Event, Rule], _Found]] = {
    "schedule": _schedule,
    "semver": _semver,
    "pep440": _pep440,
    "match": _match,
    "edge": _edge,
    "ref": _ref,
    "raw": _raw,
    "sha": _sha,
}
