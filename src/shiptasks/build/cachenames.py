"""What caches are called: legal as tags, and never the same for two services, platforms, branches or releases."""

from __future__ import annotations

import hashlib
import re

_TAG_LENGTH = 128
_SCOPE_LENGTH = 90  # leaves room in a tag for the branch
_LINE_LENGTH = 30
_HASH_LENGTH = 10
_HASHED = re.compile(rf".*-[0-9a-f]{{{_HASH_LENGTH}}}")


def scope_of(project: str, service: str, platform: str) -> str:
    """`<project>-<service>-<platform>`, such as `shop-api-linux-amd64`: never the same for two images.

    Where hyphens in the names make it ambiguous, a hash of them follows.
    """
    plain = f"{project}-{service}-{re.sub(r'[^a-z0-9]+', '-', platform.lower())}"
    if "-" not in project + service and len(plain) <= _SCOPE_LENGTH:
        return plain
    return f"{plain[: _SCOPE_LENGTH - _HASH_LENGTH - 1].rstrip('-')}-{_hash(project, service, platform)}"


def slug(text: str, length: int = _LINE_LENGTH) -> str:
    """`text`, such as a branch, as a part of a tag: itself where it is legal, else with a hash that tells it apart."""
    if re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", text) and len(text) <= length and not _HASHED.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[: length - _HASH_LENGTH - 1].rstrip("-")
    return f"{plain}-{_hash(text)}" if plain else f"x-{_hash(text)}"


def of_branch(name: str) -> str:
    """What the cache of a branch is called within its scope; empty without one."""
    return f"branch.{slug(name)}" if name else ""


def of_release(version: str) -> str:
    """What the cache of a release is called within its scope; empty without one."""
    return f"release.{slug(version)}" if version else ""


def image_tag(name: str) -> str:
    """The tag that an image of a branch or release has."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", name).lstrip(".-")[:_TAG_LENGTH]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
