"""Values that configuration is made of, parsed once at the edge and refused there.

Each is an `Annotated` type for the models, with the parser beside it: durations as seconds, identifiers that are
safe in file names, container names and image references. Whoever holds a `Project` need not check them again.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Strict

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_REGISTRY = re.compile(r"[a-z0-9][a-z0-9.-]*(?::\d{1,5})?(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_VERSION = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}")
_HOST = re.compile(
    r"(?:(?P<user>[a-z_][a-z0-9_-]{0,31})@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252})(?::(?P<port>\d{1,5}))?"
)
_PATH = re.compile(r"/[A-Za-z0-9._/-]*")


def parse_duration(value: object) -> float:
    """Seconds from `"90s"`, `"1m30s"`, `"500ms"`, `"2h"`. Raises ValueError for anything else, bare numbers too."""
    if isinstance(value, str) and value:
        total, end = 0.0, 0
        for match in _DURATION.finditer(value):
            if match.start() != end:
                break
            total, end = total + float(match[1]) * _UNITS[match[2]], match.end()
        if end == len(value):
            return total
    raise ValueError('expected a duration such as "30s", "1m30s" or "500ms"')


def parse_size(value: object) -> int:
    """Bytes from `"500MB"`, `"2GB"`, `"64KB"` (powers of 1000, as disks and images are sold)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s?(B|KB|MB|GB|TB)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a size such as "500MB" or "2GB"')
    return int(float(match[1]) * 1000 ** ("B", "KB", "MB", "GB", "TB").index(match[2]))


def check_name(value: str) -> str:
    """A name for projects, services and environments: it becomes part of container, image and folder names."""
    if not _NAME.fullmatch(value):
        raise ValueError("expected a name of lower-case letters, digits and inner hyphens, at most 40 characters")
    return value


def check_version(value: str) -> str:
    """A version that can be an image tag: the grammar of a tag in the OCI distribution specification.

    Raises ValueError; `+` is not legal in a tag.
    """
    if not _VERSION.fullmatch(value):
        raise ValueError(
            "expected a version that can be an image tag: letters, digits, '.', '_', '-', at most 128 characters, "
            "not beginning with '.' or '-'"
        )
    return value


def _check_registry(value: str) -> str:
    if value and not _REGISTRY.fullmatch(value):
        raise ValueError('expected a registry and optional path such as "ghcr.io/acme", without a scheme')
    return value


def _check_host(value: str) -> str:
    match = _HOST.fullmatch(value)
    if match is None or (match["port"] and not 0 < int(match["port"]) < 65536):
        raise ValueError('expected "host", "user@host" or "user@host:port", or "local" for this machine without SSH')
    return value


def _check_http_path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*", value):
        raise ValueError('expected an HTTP path that begins with "/"')
    return value


def _check_host_path(value: str) -> str:
    if not _PATH.fullmatch(value) or ".." in value.split("/"):
        raise ValueError('expected an absolute path such as "/srv/shop"')
    return value.rstrip("/") or "/"


def _check_relative(value: str) -> str:
    if not value or value.startswith("/") or ".." in value.split("/") or "\0" in value:
        raise ValueError("expected a path inside the repository")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Name = Annotated[str, AfterValidator(check_name)]
Registry = Annotated[str, AfterValidator(_check_registry)]
HostAddress = Annotated[str, AfterValidator(_check_host)]
HttpPath = Annotated[str, AfterValidator(_check_http_path)]
HostPath = Annotated[str, AfterValidator(_check_host_path)]
RelativePath = Annotated[str, AfterValidator(_check_relative)]

# TOML has arrays, a frozen model has tuples: only here does strictness yield.
Words = Annotated[tuple[str, ...], Strict(False)]
HttpPaths = Annotated[tuple[HttpPath, ...], Strict(False)]
HostAddresses = Annotated[tuple[HostAddress, ...], Strict(False)]
