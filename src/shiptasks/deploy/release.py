"""What is deployed: a release as a value, its file on the host, and the history from which the way back is read.

A release is one set of image digests and files for one environment. Its folder on the host is
`releases/<id>/`; `current` is a link to the one that serves; `history.jsonl` has a line for each time that one became
current.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class ReleaseImage:
    """The image of one service. `ref` is what Compose is told to run: `name:tag@digest`, or the image's id."""

    ref: str
    image_id: str = ""
    """Id in the engine that built it; empty where it is pulled by digest."""


@dataclass(frozen=True)
class Release:
    """One set of images and files. `fingerprint` is equal for two releases that would run the same."""

    id: str
    project: str
    environment: str
    version: str
    revision: str
    created: str
    by: str
    images: Mapping[str, ReleaseImage]
    replicas: Mapping[str, int]
    fingerprint: str
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """How each service was configured (port, routes, health …), as in pyproject.toml: a rollback needs it again."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Release:
        """Raises ValueError when the text is not a release."""
        try:
            raw: dict[str, Any] = json.loads(text)
            raw["images"] = {name: ReleaseImage(**image) for name, image in raw["images"].items()}
            return cls(**raw)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a release: {error}") from error


def new_id(version: str, now: datetime.datetime) -> str:
    """An id that sorts by time and names the version: `20261121T171500Z-1.1.0`. `now` is in UTC."""
    return f"{now:%Y%m%dT%H%M%SZ}-{version}"


@dataclass(frozen=True)
class HistoryEntry:
    """A release became current: by a deploy of it, or by a rollback to it."""

    release: str
    version: str
    kind: Literal["deploy", "rollback"]
    at: str
    by: str

    def to_line(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def parse_history(text: str) -> tuple[HistoryEntry, ...]:
    """Entries from the lines of `history.jsonl`; a line that was cut off by a crash is left out."""
    entries = []
    for line in text.splitlines():
        try:
            entries.append(HistoryEntry(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return tuple(entries)


def way_back(history: Iterable[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """The releases that a rollback can go to, the nearest first; the first element is the current one.

    A deploy is put on top; a rollback takes off all that lies above its target. So a release that was rolled back
    from is never offered as the way back from a later one.
    """
    stack: list[HistoryEntry] = []
    for entry in history:
        ids = [known.release for known in stack]
        if entry.release in ids:
            del stack[ids.index(entry.release) :]
        stack.append(entry)
    return tuple(reversed(stack))
