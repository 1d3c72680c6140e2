"""Brings images into the registry, and gives them their tags, when all images of a build are there.

A builder of its own pushes without tags, by digest; the engine's own builder cannot, so its images are pushed under the
tag of the version once all are built. Tags that move, such as `latest`, come last, when everything else is there: a
build of which one image did not build leaves no new tags, one that could not be pushed never moves any.
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


def push(refs: Mapping[str, str], api: DockerClient, bus: Bus) -> dict[str, str]:
    """Push what the engine has under these references, by service; the digest of each.

    Raises Failed for the first that could not be pushed; the others have been pushed, or not.
    """
    outcomes = side_by_side([partial(_push, service, ref, api, bus) for service, ref in refs.items()], jobs=8)
    digests = {}
    for service, outcome in zip(refs, outcomes, strict=True):
        if outcome.error is not None:
            raise outcome.error
        digests[service] = outcome.value or ""
    return digests


def _push(service: str, ref: str, api: DockerClient, bus: Bus) -> str:
    from docker.errors import APIError
    from requests.exceptions import RequestException

    name, _, tag = ref.rpartition(":")
    digest = error = ""
    with bus.step("push", stage="build", service=service) as step:
        try:
            for told in api.images.push(name, tag=tag, stream=True, decode=True):
                digest = str((told.get("aux") or {}).get("Digest") or digest)
                error = str(told.get("error") or error)
                if told.get("status"):
                    step.progress(str(told["status"]))
        except (APIError, RequestException) as problem:
            error = str(problem)
        if error:
            raise Failed(
                f"the image of {service} could not be pushed: {error}",
                where=ref,
                now="no manifest was written, no tag has moved; what is deployed is untouched",
                hint="is the registry there, and may you push to it? docker login, then the same command again",
            )
        if not digest:
            stored = registry_of(name, api).get(tag)
            digest = stored.digest if stored else ""
        step.detail = digest
    return digest


def _give(service: str, image: Tagged, tags: Sequence[str], api: DockerClient, bus: Bus) -> None:
    with bus.step("tag", stage="build", service=service) as step:
        registry = registry_of(image.name, api)
        stored = registry.get(image.digest)
        if stored is None:
            raise Failed(f"{image.name}@{image.digest} is not in the registry although it was pushed", now=_NOW)
        for tag in tags:
            registry.put(tag, stored)
        step.detail = ", ".join(tags)
