"""Which tags the images of an event get, and why: the rules of docker/metadata-action, and ours where none are given.

Where they differ from the action: a tag is always legal, at most 128 characters that begin with a letter, digit or
`_`; what has to be cut carries a hash, so that two long names stay two tags. `+` becomes `_`, which no version has.
`latest` is for releases only, and never goes back to an older one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shiptasks.build import templates
from shiptasks.build.event import Event
from shiptasks.build.tagrules import Flavor, Rule, Where, parse_flavor, parse_rules
from shiptasks.build.tagvalues import Found, Silent, find
from shiptasks.build.versions import in_tag, newer_than, pep440, semver
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
    first: Found | None = None
    for rule in parse_rules(written, where):
        place = where(rules.index(rule.text)) if where and rule.text in rules else ""
        try:
            if not _enabled(event, rule, place):
                raise Silent("not enabled")
            found = find(event, rule)
            value = _around(event, found.value, rule.prefix, rule.suffix, style)
            if not value:
                raise Silent("it gives nothing here")
        except Silent as reason:
            silent.append((rule.text, str(reason)))
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
        why=MappingProxyType(names),
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


def _not_latest(event: Event, found: Found) -> str:
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


def _why_latest(event: Event, style: Flavor, found: Found) -> str:
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
