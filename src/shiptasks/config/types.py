"""Values that configuration is made of, parsed once at the edge and refused there.

Each is an `Annotated` type for the models, with the parser beside it: durations as seconds, identifiers that are
safe in file names, container names and image references. Whoever holds a `Project` need not check them again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Strict

from shiptasks.config.values import COMPONENT, PORT, HostAddress, port_is_possible

# Patterns are used with fullmatch only: `$` would accept a newline at the end.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REGISTRY = re.compile(rf"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?{PORT}(?:/{COMPONENT})*")
_PATH = re.compile(r"/[A-Za-z0-9._/-]*")

_K = TypeVar("_K")
_V = TypeVar("_V")


class Conflicts(ValueError):
    """Values that are right one by one and wrong together: (keys below the section, what is wrong) each."""

    def __init__(self, *found: tuple[tuple[str | int, ...], str]) -> None:
        super().__init__("; ".join(what for _, what in found))
        self.found = found


class SecretInPlainText(ValueError):
    """A password where everyone reads it. Messages about it do not show the value or its line."""


class FrozenDict(dict[_K, _V]):
    """A dict that is not changed after it was made."""

    def _refuse(self, *_args: object, **_options: object) -> NoReturn:
        raise TypeError("the configuration is frozen")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, _memo: object) -> FrozenDict[_K, _V]:
        return self

    def __reduce__(self) -> tuple[type[FrozenDict[Any, Any]], tuple[dict[_K, _V]]]:
        return FrozenDict, (dict(self),)


def frozen() -> Mapping[Any, Any]:
    """An empty table, as a default."""
    return FrozenDict()


def check_name(value: str) -> str:
    """A name for projects, services and environments: it becomes part of container, image and folder names."""
    if not _NAME.fullmatch(value):
        raise ValueError("expected a name of lower-case letters, digits and inner hyphens, at most 40 characters")
    return value


def _check_registry(value: str) -> str:
    if "@" in value:
        raise SecretInPlainText("a registry must not hold credentials: use `docker login`")
    match = _REGISTRY.fullmatch(value)
    if value and (match is None or not port_is_possible(match)):
        raise ValueError('expected a registry and optional path such as "ghcr.io/acme", lower-case, without a scheme')
    return value


def _check_hosts(values: tuple[HostAddress, ...]) -> tuple[HostAddress, ...]:
    if not values:
        raise ValueError('expected at least one host, such as "user@host", or "local" for this machine without SSH')
    found, seen = [], dict[tuple[str, int], int]()
    for index, value in enumerate(values):
        first = seen.setdefault((value.host.lower(), value.port or 22), index)
        if first != index:
            found.append(((index,), f'this host is in the list already, as "{values[first]}"'))
    if found:
        raise Conflicts(*found)
    return values


def _check_url(value: str) -> str:
    wrong = 'expected an address such as "https://shop.example.com"'
    if not value:
        return value
    if not re.fullmatch(r"https?://[!-~]+", value):
        raise ValueError(wrong)
    try:
        parts = urlsplit(value)
        possible = bool(parts.hostname) and parts.port != 0
    except ValueError:
        possible = False
    if not possible:
        raise ValueError(wrong)
    if parts.username is not None:
        raise SecretInPlainText("an address must not hold credentials: everyone reads them here, and in logs")
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
    if not value or value.startswith(("/", "-", "~")) or ".." in value.split("/") or not value.isprintable():
        raise ValueError("expected a path inside the repository, relative to pyproject.toml")
    return value


def _check_local_path(value: str) -> str:
    if not value or value.startswith("-") or not value.isprintable():
        raise ValueError('expected a path such as "~/.ssh/config"')
    return value


def _check_command(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise ValueError('expected a command such as "ruff check ."')
    return value


def _check_stage(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError("expected the name of a stage in the Dockerfile")
    return value


def _check_argument(value: str) -> str:
    if not _ARGUMENT.fullmatch(value):
        raise ValueError("expected the name of a build argument: letters, digits and '_', not beginning with a digit")
    return value


def _check_variable(value: str) -> str:
    if not _ARGUMENT.fullmatch(value):
        raise ValueError("expected the name of a variable: letters, digits and '_', not beginning with a digit")
    return value


def _freeze(value: Mapping[_K, _V]) -> Mapping[_K, _V]:
    return FrozenDict(value)


Name = Annotated[str, AfterValidator(check_name)]
ArgumentName = Annotated[str, AfterValidator(_check_argument)]
VariableName = Annotated[str, AfterValidator(_check_variable)]
StageName = Annotated[str, AfterValidator(_check_stage)]
Command = Annotated[str, AfterValidator(_check_command)]
Registry = Annotated[str, AfterValidator(_check_registry)]
HttpPath = Annotated[str, AfterValidator(_check_http_path)]
Url = Annotated[str, AfterValidator(_check_url)]
HostPath = Annotated[str, AfterValidator(_check_host_path)]
RelativePath = Annotated[str, AfterValidator(_check_relative)]
LocalPath = Annotated[str, AfterValidator(_check_local_path)]

Table = Annotated[Mapping[_K, _V], AfterValidator(_freeze)]

# TOML has arrays, a frozen model has tuples: only here does strictness yield.
Words = Annotated[tuple[str, ...], Strict(False)]
HttpPaths = Annotated[tuple[HttpPath, ...], Strict(False)]
LocalPaths = Annotated[tuple[LocalPath, ...], Strict(False)]
HostAddresses = Annotated[tuple[HostAddress, ...], Strict(False), AfterValidator(_check_hosts)]
