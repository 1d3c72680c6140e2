"""From what a person or CI asks for to a whole plan: event, tags, labels, caches, secrets, attestations.

Pure, but for what it is told: git and CI's variables are read by `shiptasks.build.event`, the builder by
`shiptasks.build.builder`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shiptasks.build import manifest, source
from shiptasks.build.builder import Capabilities, Wanted, refuse_impossible
from shiptasks.build.cache import Cache, choose
from shiptasks.build.event import Event, from_environment
from shiptasks.build.labels import labels
from shiptasks.build.plan import BuildPlan, Target, plan
from shiptasks.build.secrets import attest_of, check_given, secrets_of, ssh_of
from shiptasks.build.tags import Tagged, tags
from shiptasks.build.versions import in_tag
from shiptasks.config.model import Project


@dataclass(frozen=True)
class Asked:
    """What is asked of a build. Without a `version`, that of the event, with the tags that its rules give."""

    version: str = ""
    services: tuple[str, ...] | None = None
    push: bool = False
    platforms: tuple[str, ...] = ()
    event_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True)
class Prepared:
    """A plan, and what it follows from."""

    plan: BuildPlan
    event: Event
    tagged: Tagged | None
    """The tags of the event; None where a version was asked for, which is the only tag then."""
    dirty: bool


def prepare(project: Project, asked: Asked, capable: Capabilities | None = None) -> Prepared:
    """The plan of a build. `capable` is the builder, once it is known: without it there are no caches in the plan.

    Raises UsageError for what cannot be built as asked, and Refused for what the builder cannot do.
    """
    sources = source.look(project.root)
    event = from_environment(asked.environ, project.root, asked.event_file, source=sources)
    tagged = None if asked.version else tags_of(project, event)
    made = plan(
        project,
        asked.version or sources.version(),
        sources.revision,
        services=asked.services,
        push=asked.push,
        created=sources.created(manifest.now()),
        source=sources.url,
        by_digest=capable is not None and capable.driver != "docker",
    )
    check_given(project, [target.service for target in made.targets], asked.environ)
    targets = tuple(_whole(project, asked, made, target, event, tagged, capable) for target in made.targets)
    return Prepared(replace(made, targets=targets), event, tagged, sources.dirty)


def tags_of(project: Project, event: Event) -> Tagged:
    """The tags that the configured rules give for an event. Raises UsageError for a wrong rule, at its place."""
    return tags(
        event,
        project.build.tags,
        project.build.flavor,
        where=lambda index: project.where("build", "tags", index),
        where_flavor=lambda index: project.where("build", "flavor", index),
    )


def _whole(
    project: Project,
    asked: Asked,
    made: BuildPlan,
    target: Target,
    event: Event,
    tagged: Tagged | None,
    capable: Capabilities | None,
) -> Target:
    """The target with all that the event, the configuration and the builder add to it."""
    platforms = asked.platforms or project.services[target.service].platforms
    attest = attest_of(project.build)
    if capable is not None:
        refuse_impossible(Wanted(platforms, bool(attest), load=not made.push), capable)
    own = labels(
        event,
        made.version,
        title=target.labels.get("org.opencontainers.image.title", ""),
        created=made.created,
        configured=project.build.labels,
        where=project.where("build", "labels"),
    )
    caches = _caches(project, asked, target, event, platforms, capable) if capable is not None else ()
    return replace(
        target,
        also=tuple(ref for ref in (tagged.references(target.name) if tagged else ()) if ref != target.tag),
        labels=own,
        platforms=platforms,
        secrets=secrets_of(project, target.service),
        ssh=ssh_of(project, target.service),
        attest=attest,
        caches=caches,
        cache_from=tuple(dict.fromkeys(one for cache in caches for one in cache.imports)),
        cache_to=tuple(dict.fromkeys(one for cache in caches for one in cache.exports)),
    )


def _caches(
    project: Project,
    asked: Asked,
    target: Target,
    event: Event,
    platforms: tuple[str, ...],
    capable: Capabilities,
) -> tuple[Cache, ...]:
    """The cache of the image. BuildKit writes one cache for all platforms of an image: it is that of them together."""
    release = event.version if event.kind == "tag" else ""
    return (
        choose(
            project.build.cache,
            event_branch=event.branch,
            default_branch=event.default_branch,
            last_release=_last_release(event.known_tags or (), release),
            project=project.project,
            service=target.service,
            platform="+".join(platforms),
            image=target.name,
            push=asked.push,
            environ=asked.environ,
            builder=capable,
            release=release,
        ),
    )


def _last_release(known_tags: Iterable[str], current: str) -> str:
    """The newest release but the one that is built; empty when there is none."""
    found = [parsed for tag in known_tags if (parsed := in_tag(tag)) is not None and parsed[1].final]
    others = [parsed for _, parsed in found if parsed.parts["version"] != current]
    return str(max(others, key=lambda each: each.key).parts["version"]) if others else ""
