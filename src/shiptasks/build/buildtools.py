"""Compilers and headers: which base images have them, and which a RUN instruction installs and leaves there."""

from __future__ import annotations

import re

_BASES = frozenset({"gcc", "golang", "gradle", "maven", "rust", "swift"})
_INSTALLS = re.compile(
    r"(?:^|\s)(?:apt(?:-get)?|dnf|microdnf|yum)\s(?:.*\s)?install(?:\s|$)|(?:^|\s)apk\s(?:.*\s)?add(?:\s|$)"
)
_REMOVES = re.compile(
    r"\b(?:apt(?:-get)?|dnf|microdnf|yum)\s+(?:.*\s)?(?:auto)?(?:remove|purge)\b|\bapk\s+(?:.*\s)?del\b"
)
_TOOL = re.compile(
    r"build-essential|build-base|alpine-sdk|gcc|g\+\+|gcc-c\+\+|clang|make|automake|cmake|ninja-build|cargo|rustc|go|golang"
    r"|golang-go|maven|gradle|default-jdk|openjdk-?\d+-jdk|[a-z0-9.+-]+-(?:dev|devel)"
)
_SEPARATORS = re.compile(r"&&|\|\||[;|&\n(){}]")


def base_with_tools(name: str) -> bool:
    """Whether an image of that name is one to build in: `golang:1.23`, `mcr.microsoft.com/dotnet/sdk:8.0`."""
    path = name.partition("@")[0]
    last = path.rpartition("/")[2].partition(":")[0]
    return last in _BASES or last == "sdk" or last.endswith("-sdk")


def installed(command: str) -> tuple[str, ...]:
    """The build tools that a shell command installs by a package manager and does not remove again, each once."""
    if _REMOVES.search(command.replace("\\\n", " ")):
        return ()
    found: dict[str, None] = {}
    for part in _SEPARATORS.split(command.replace("\\\n", " ")):
        match = _INSTALLS.search(part)
        for word in part[match.end() :].split() if match else ():
            name = word.strip("\"'").partition("=")[0]
            if _TOOL.fullmatch(name):
                found[name] = None
    return tuple(found)
