"""Gives images that lie in the registry under their digests their tags: when all images of a build are there.

So a matrix of which one image did not build, or could not be pushed, leaves no new tags. First come the tags of the
version, which nobody has had yet, then those that move, such as `latest`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from shiptasks.build.registry import registry_of
from shiptasks.errors import Failed
from shiptasks.run.events import Bus
from shiptasks.run.graph import side_by_side

if TYPE_CHECKING:
    from docker import DockerClient

_NOW = "all images are in the registry under their digests; no manifest was written, what is deployed is untouched"


@dataclass(frozen=True)
class Tagged:
    """An image in the registry, and the tags that it is to get, the version's first."""

    name: str
    digest: str
    tags: tuple[str, ...]


def give(images: Mapping[str, Tagged], api: DockerClient, bus: Bus) -> None:
    """Tag the image of each service. Raises Failed, naming what could not be tagged."""
    for which in (slice(0, 1), slice(1, None)):
        work = [
            partial(_give, service, image, image.tags[which], api, bus)
            for service, image in images.items()
            if image.tags[which]
        ]
        for outcome in side_by_side(work, jobs=8):
            if outcome.error is not None:
                raise outcome.error


def _give(service: str, image: Tagged, tags: Sequence[str], api: DockerClient, bus: Bus) -> None:
    with bus.step("tag", stage="build", service=service) as step:
        registry = registry_of(image.name, api)
        stored = registry.get(image.digest)
        if stored is None:
            raise Failed(f"{image.name}@{image.digest} is not in the registry although it was pushed", now=_NOW)
        for tag in tags:
            registry.put(tag, stored)
        step.detail = ", ".join(tags)
