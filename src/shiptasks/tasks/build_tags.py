"""`inv build.tags`: which tags the images get for what is being built now, and which rule gave each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiptasks.tasks._task import answer, project_of, task, words

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.build.event import Event
    from shiptasks.build.tags import Tagged


@task(
    group="Ship",
    under="build",
    help={
        "event_file": "a JSON file that says what is built, instead of CI's variables and git",
        "service": "services to show, separated by commas; all when left out",
    },
)
def tags(c: Context, event_file: str = "", service: str = "", format: str = "text") -> None:
    """Show the tags that images get now, and why."""
    from shiptasks.build.event import from_environment
    from shiptasks.build.tags import tags as tags_of
    from shiptasks.config import choose

    project = project_of(c)
    wanted = words(service) if service else tuple(project.services)
    for name in wanted or ("",) * bool(service):
        choose.service(project, name)
    event = from_environment(os.environ, project.root, Path(event_file) if event_file else None)
    tagged = tags_of(
        event,
        project.build.tags,
        project.build.flavor,
        where=lambda index: project.where("build", "tags", index),
        where_flavor=lambda index: project.where("build", "flavor", index),
    )
    images = {name: tagged.references(project.image_name(name)) for name in wanted}
    answer(format, _data(event, tagged, images), "\n".join(_lines(event, tagged, images)))


def _lines(event: Event, tagged: Tagged, images: dict[str, tuple[str, ...]]) -> list[str]:
    lines = [*event.lines(), ""]
    width = max((len(name) for name in tagged.names), default=0)
    lines += [f"  {name:<{width}}  {tagged.why[name]}" for name in tagged.names]
    if not tagged.names:
        lines.append("  no rule gives a tag for this event:")
        lines += [f"    {rule}: {reason}" for rule, reason in tagged.silent]
    lines += [f"  {note}" for note in tagged.notes]
    return lines + [""] * bool(tagged.names) + [f"  {each}" for name in images for each in images[name]]


def _data(event: Event, tagged: Tagged, images: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    return {
        "event": {
            "kind": event.kind,
            "origin": event.origin,
            "ref": event.ref,
            "sha": event.sha,
            "default_branch": event.default_branch,
            "dirty": event.dirty,
        },
        "version": tagged.version or None,
        "latest": tagged.latest,
        "tags": [{"tag": name, "rule": tagged.why[name]} for name in tagged.names],
        "silent": [{"rule": rule, "reason": reason} for rule, reason in tagged.silent],
        "notes": list(tagged.notes),
        "images": {name: list(references) for name, references in images.items()},
    }
