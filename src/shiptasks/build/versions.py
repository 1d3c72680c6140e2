"""Versions as people write them in git tags: Semantic Versioning and PEP 440, and which of several is the newest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][a-zA-Z0-9-]*)"
_NUMBER = r"(0|[1-9][0-9]*)"
_SEMVER = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
# The limits of node-semver, which the rules of docker/metadata-action follow.
_LONGEST, _LARGEST = 256, 2**53 - 1
_STARTS = re.compile(r"(?:(?<=[/@_-])|\A)(?=v?[0-9])")


@dataclass(frozen=True)
class Parsed:
    """A version: `parts` are what templates name (`version`, `major` …), `key` is its place among releases.

    `prerelease` is what comes before a release; `final` says that it is a release without any suffix. `build` is what
    follows `+`, and is in `parts["version"]` too: two builds of one version are two images.
    """

    parts: Mapping[str, str]
    key: tuple[Any, ...]
    prerelease: bool
    final: bool


def semver(text: str) -> Parsed | None:
    """A Semantic Version, with or without `v` and space around it; None when it is none."""
    text = text.strip()
    match = _SEMVER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or any(int(match[part]) > _LARGEST for part in (1, 2, 3)):
        return None
    major, minor, patch, before, build = match.groups(default="")
    version = f"{major}.{minor}.{patch}" + (f"-{before}" if before else "") + (f"+{build}" if build else "")
    parts = {"raw": text, "version": version, "major": major, "minor": minor, "patch": patch}
    parts |= {"prerelease": before, "build": build}
    key = (0, _release((int(major), int(minor), int(patch))), -1)
    return Parsed(parts, key, prerelease=bool(before), final=not before)


def pep440(text: str) -> Parsed | None:
    """A version of Python packages, in any spelling that PEP 440 takes; None when it is none."""
    from packaging.version import InvalidVersion, Version

    try:
        found = Version(text)
    except (InvalidVersion, ValueError):  # ValueError: a number of more digits than Python converts
        return None
    parts = {"raw": text.strip(), "version": str(found)}
    parts |= {"major": str(found.major), "minor": str(found.minor), "patch": str(found.micro)}
    post = found.post if found.post is not None else -1
    final = not found.is_prerelease and found.post is None
    return Parsed(parts, (found.epoch, _release(found.release), post), found.is_prerelease, final)


def in_tag(tag: str) -> tuple[str, Parsed] | None:
    """What comes before the version in a tag, and the version: `api/v1.2.3` is `api/` and 1.2.3. None without one."""
    for start in _STARTS.finditer(tag):
        text = tag[start.start() :]
        found = semver(text) or pep440(text)
        if found is not None:
            return tag[: start.start()], found
    return None


def newer_than(tag: str, known: Iterable[str]) -> str:
    """A known release that is newer than the version in `tag`, the newest of them; empty when there is none.

    Only tags that begin as this one does count (`api/v2.0.0` is not newer than `web/v1.0.0`), and no prereleases.
    """
    own = in_tag(tag)
    if own is None:
        return ""
    best, name = own[1].key, ""
    for each in known:
        found = in_tag(each)
        if found is not None and found[0] == own[0] and not found[1].prerelease and found[1].key > best:
            best, name = found[1].key, each
    return name


def _release(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """1.0 and 1.0.0 are one release."""
    end = len(numbers)
    while end and not numbers[end - 1]:
        end -= 1
    return numbers[:end]
