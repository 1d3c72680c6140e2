"""How much a pull of an image moves: the sizes that the registry's manifests tell, without pulling anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from shiptasks.build.registry import Registry
from shiptasks.errors import Failed


def compressed(registry: Registry, digest: str, platform: str = "") -> int | None:
    """Bytes of an image as the registry has it: its layers and its configuration.

    Of an image for several platforms that of `platform` (`linux/amd64`), else of the largest. None when the registry
    does not answer, or not in a form that is understood.
    """

    def get(wanted: str) -> bytes | None:
        try:
            found = registry.get(wanted)
        except Failed:
            return None
        return found.data if found else None

    return of_manifests(get, digest, platform)


def of_manifests(get: Callable[[str], bytes | None], digest: str, platform: str = "") -> int | None:
    """The same, with `get` for the text of the manifest of a digest."""
    manifest = _read(get(digest))
    if manifest is None:
        return None
    if "manifests" not in manifest:
        return pulled(manifest)
    inner = (_read(get(each)) for each in images_of(manifest, platform))
    sizes = (pulled(each) for each in inner if each is not None)
    return max((each for each in sizes if each is not None), default=None)


def pulled(manifest: Mapping[str, Any]) -> int | None:
    """The bytes of an image manifest's layers and configuration; None when it is none."""
    try:
        sizes = [part["size"] for part in (*manifest["layers"], manifest["config"])]
    except (KeyError, TypeError):
        return None
    return sum(sizes) if all(type(size) is int and size >= 0 for size in sizes) else None


def images_of(index: Mapping[str, Any], platform: str = "") -> tuple[str, ...]:
    """Digests of the images of an index, without attestations: that of the platform, or all when it has none such."""
    found = _named(index)
    exact = tuple(digest for digest, name in found.items() if platform and name == platform)
    return exact or tuple(found)


def platforms(registry: Registry, digest: str) -> dict[str, str]:
    """The digest of each platform of an image for several, such as `linux/arm64`; empty for an image for one.

    Empty, too, when the registry does not answer, or not in a form that is understood.
    """
    try:
        found = registry.get(digest)
    except Failed:
        return {}
    index = _read(found.data if found else None) or {}
    return {name: each for each, name in _named(index).items() if name}


def _named(index: Mapping[str, Any]) -> dict[str, str]:
    """The platforms of an index, by digest; empty where it does not say."""
    found = {}
    listed = index.get("manifests")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or not isinstance(each.get("digest"), str):
            continue
        about = each.get("platform")
        about = about if isinstance(about, dict) else {}
        if about.get("os") != "unknown":  # attestations of BuildKit
            found[each["digest"]] = "/".join(
                str(about[key]) for key in ("os", "architecture", "variant") if about.get(key)
            )
    return found


def _read(data: bytes | None) -> dict[str, Any] | None:
    try:
        manifest = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) else None
