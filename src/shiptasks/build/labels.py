"""The labels and annotations of images: what OCI has names for, and what the configuration adds.

As docker/metadata-action writes them, but without those that nobody knows the value of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from shiptasks.build import templates
from shiptasks.build.event import Event
from shiptasks.config.suggest import nearest
from shiptasks.errors import UsageError

Level = Literal["manifest", "index", "manifest-descriptor", "index-descriptor"]

_OCI = "org.opencontainers.image."
# https://github.com/opencontainers/image-spec/blob/main/annotations.md
_KNOWN = frozenset(
    f"{_OCI}{name}"
    for name in (
        *("created", "authors", "url", "documentation", "source", "version", "revision", "vendor", "licenses"),
        *("ref.name", "title", "description", "base.digest", "base.name"),
    )
)


def labels(
    event: Event,
    version: str,
    *,
    title: str = "",
    created: str = "",
    configured: Mapping[str, str] | None = None,
    where: str = "",
) -> dict[str, str]:
    """The labels of an image, by name, sorted.

    `title` is the repository's name when left out, `created` the time of the event; `configured` go before all and
    may have templates, such as `{{branch}}`; an empty one takes a label away. `where` is their place. Raises
    UsageError for one that cannot be a label.
    """
    repository = event.repository
    own = {
        "created": created or event.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "description": repository.description,
        "licenses": repository.license,
        "revision": event.sha,
        "source": repository.url,
        "title": title or repository.name,
        "url": repository.url,
        "version": version,
    }
    found = {f"{_OCI}{name}": value for name, value in own.items()}
    for name, text in (configured or {}).items():
        problem = _problem(name)
        try:
            value = templates.fill(text, event)
        except ValueError as error:
            problem = problem or str(error)
        if problem:
            raise UsageError(
                f"the label {name!r} does not fit: {problem}",
                where=where,
                now="nothing was run",
                hint='"org.opencontainers.image.vendor" = "Acme", or "com.example.branch" = "{{branch}}"',
            )
        found[name] = value
    return {name: found[name] for name in sorted(found) if found[name]}


def as_annotations(values: Mapping[str, str], levels: Iterable[Level] = ("manifest",)) -> tuple[str, ...]:
    """The same as annotations, as bake takes them: `manifest:org.opencontainers.image.title=shop-api`.

    An image for several platforms has an index as well: `levels=("index", "manifest")`.
    """
    return tuple(f"{level}:{name}={value}" for level in levels for name, value in values.items())


def _problem(name: str) -> str:
    if not name or "=" in name or not name.isprintable() or any(char.isspace() for char in name):
        return 'a name has no spaces and no "="'
    if name.startswith(_OCI) and name not in _KNOWN:
        near = nearest(name, _KNOWN)
        return f"OCI has no such name{f', did you mean {near}?' if near else ''}"
    return ""
