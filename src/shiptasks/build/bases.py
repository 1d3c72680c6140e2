"""Which images a build would begin with: the digests that names such as `python:3.13-slim` stand for right now.

A name whose digest cannot be found out has none, and says why: what is built on it is then never taken for unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shiptasks.errors import Refused
from shiptasks.run import engine

if TYPE_CHECKING:
    from docker import DockerClient

TIMEOUT = 10.0
"""Seconds that one answer may take."""
_AT_ONCE = 8
_PINNED = re.compile(r".+@(sha256:[0-9a-f]{64})")

Place = Literal["engine", "registry"]


@dataclass(frozen=True)
class Base:
    """What an image name stands for. `digest` is empty when that is not known, and `why` says why not."""

    name: str
    digest: str
    why: str = ""


def places(driver: str, *, containerd_store: bool) -> tuple[Place, ...]:
    """Where a builder looks for an image, in order.

    The engine's own builder takes what the engine has before it asks the registry, unless images are in containerd's
    store: then it asks the registry first. Other builders know only the registry.
    """
    if driver != "docker":
        return ("registry",)
    return ("registry", "engine") if containerd_store else ("engine", "registry")


def look(
    names: Iterable[str], where: Sequence[Place], platforms: Sequence[str] = (), *, timeout: float = TIMEOUT
) -> dict[str, Base]:
    """The images of `names`, by name, looked up side by side.

    `where` says where the builder looks, see `places`. `platforms` are those that are built for: an image of the
    engine that is of another one does not count alone. `timeout` in seconds, for one answer. Never raises: what is not
    known says why.
    """
    found = {name: Base(name, match[1]) for name in names if (match := _PINNED.fullmatch(name))}
    wanted = sorted(set(names) - found.keys())
    if not wanted:
        return found
    try:
        with engine.client(now="nothing was built", timeout=timeout) as api, ThreadPoolExecutor(_AT_ONCE) as pool:
            for base in pool.map(lambda name: _look(name, where, platforms, api, timeout), wanted):
                found[base.name] = base
    except Refused as error:
        found.update({name: Base(name, "", error.what) for name in wanted if name not in found})
    return found


def _look(name: str, where: Sequence[Place], platforms: Sequence[str], api: DockerClient, timeout: float) -> Base:
    digests, why = list[str](), "the engine does not have it"
    for place in where:
        if place == "engine":
            digest, is_enough = _of_engine(name, platforms, api)
        else:
            digest, why = _of_registry(name, api, timeout)
            is_enough = bool(digest)
        digests += [digest] if digest else []
        if is_enough:
            return Base(name, "+".join(digests))
    return Base(name, "", why)


def _of_engine(name: str, platforms: Sequence[str], api: DockerClient) -> tuple[str, bool]:
    """The id of an image in the engine, and whether it is for all platforms; empty when it is not there."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        image = api.images.get(name).attrs
    except (DockerException, RequestException):
        return "", False
    own = f"{image.get('Os', '')}/{image.get('Architecture', '')}"
    return str(image["Id"]), all(_same(own, str(image.get("Variant") or ""), one) for one in platforms)


def _same(own: str, variant: str, wanted: str) -> bool:
    system, _, rest = wanted.partition("/")
    architecture, _, wanted_variant = rest.partition("/")
    return own == f"{system}/{architecture}" and (not wanted_variant or wanted_variant == variant)


def _of_registry(name: str, api: DockerClient, timeout: float) -> tuple[str, str]:
    """The digest that the registry has for a name, or why it is not known."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import ReadTimeout, RequestException

    try:
        digest = str(api.images.get_registry_data(name).attrs["Descriptor"]["digest"])
    except ReadTimeout:
        return "", f"the registry did not answer within {timeout:g} seconds"
    except APIError as error:
        if error.status_code in (401, 403, 404):
            return "", "the registry does not have it, or not for this login"
        return "", "the registry does not answer"
    except (DockerException, RequestException, KeyError, TypeError):
        return "", "the registry does not answer"
    return (digest, "") if digest else ("", "the registry does not say")
