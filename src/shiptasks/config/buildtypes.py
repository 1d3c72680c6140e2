"""Values that the configuration of builds is made of: platforms, builders, caches, and where secrets come from."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Strict

from shiptasks.config.suggest import did_you_mean
from shiptasks.config.types import SecretInPlainText
from shiptasks.config.values import Image

_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?")
_ARCHITECTURES = (
    "386",
    "amd64",
    "arm",
    "arm64",
    "loong64",
    "mips64",
    "mips64le",
    "ppc64le",
    "riscv64",
    "s390x",
    "wasm",
)
_ALSO_CALLED = {"x86_64": "amd64", "x64": "amd64", "i386": "386", "aarch64": "arm64", "armv7": "arm/v7", "armhf": "arm"}
_SYSTEMS = ("linux", "windows", "darwin", "freebsd", "wasip1")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BUILDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SECRET_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


def check_platform(value: str) -> str:
    """The platform. Raises ValueError, with what was probably meant, for one that does not exist."""
    if not _PLATFORM.fullmatch(value):
        raise ValueError('expected a platform such as "linux/amd64" or "linux/arm/v7"')
    system, architecture = value.split("/")[:2]
    if system not in _SYSTEMS:
        raise ValueError(f"unknown system {system!r}: expected one of {', '.join(_SYSTEMS)}")
    if architecture in _ALSO_CALLED:
        raise ValueError(
            f'unknown architecture {architecture!r}: did you mean "{system}/{_ALSO_CALLED[architecture]}"?'
        )
    if architecture not in _ARCHITECTURES:
        near = did_you_mean(architecture, _ARCHITECTURES) or f"expected one of {', '.join(_ARCHITECTURES)}"
        raise ValueError(f"unknown architecture {architecture!r}: {near}")
    return value


def _check_platforms(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is in the list twice")
    return values


def _check_env(value: str) -> str:
    # Not shown: whoever mistakes the one for the other has written the secret.
    if not _VARIABLE.fullmatch(value):
        raise SecretInPlainText("expected the name of an environment variable, not a value")
    return value


def _check_secret_id(value: str) -> str:
    if not _SECRET_ID.fullmatch(value):
        raise ValueError("expected the id of a secret, as in `RUN --mount=type=secret,id=…`: letters, digits, '_.-'")
    return value


def _check_ssh(value: str) -> str:
    name, equals, path = value.partition("=")
    if not _SECRET_ID.fullmatch(name) or (equals and (not path or not path.isprintable() or "," in path)):
        raise ValueError(
            'expected "default" for the SSH agent, or an id with a key or socket: "github=~/.ssh/id_ed25519"'
        )
    return value


def _check_builder(value: str) -> str:
    if not _BUILDER.fullmatch(value):
        raise ValueError("expected the name of a builder: letters, digits, '_', '.', '-'")
    return value


def _check_endpoint(value: str) -> str:
    if "@" in value.split("://")[-1].split("/")[0] and not value.startswith("ssh://"):
        raise SecretInPlainText("the endpoint of a builder must not hold credentials")
    if not re.fullmatch(r"[A-Za-z0-9][!-~]*", value):
        raise ValueError(
            'expected the endpoint of a builder such as "tcp://build.example.com:1234" or a docker context'
        )
    return value


def _check_option(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError("expected the name of an option of the driver, such as network")
    return value


def _check_user(value: str) -> str:
    if not re.fullmatch(r"[!-9;-~]+", value):
        raise ValueError("expected the name of a user, without spaces and ':'")
    return value


def _check_bucket(value: str) -> str:
    if value and not _BUCKET.fullmatch(value):
        raise ValueError("expected the name of a bucket or container: letters, digits, '.', '-'")
    return value


def _check_repository(value: str) -> str:
    if "@" in value:
        raise SecretInPlainText("a repository must not hold credentials: use `docker login`")
    image = Image(value)
    if image.tag or image.digest or str(image) != str(image).lower():
        raise ValueError('expected a repository such as "ghcr.io/acme/cache", lower-case, without a tag')
    return value


Platforms = Annotated[
    tuple[Annotated[str, AfterValidator(check_platform)], ...], Strict(False), AfterValidator(_check_platforms)
]
SshForwards = Annotated[tuple[Annotated[str, AfterValidator(_check_ssh)], ...], Strict(False)]
EnvironmentVariable = Annotated[str, AfterValidator(_check_env)]
BuilderName = Annotated[str, AfterValidator(_check_builder)]
BuilderEndpoint = Annotated[str, AfterValidator(_check_endpoint)]
Bucket = Annotated[str, AfterValidator(_check_bucket)]
Repository = Annotated[str, AfterValidator(_check_repository)]
OptionName = Annotated[str, AfterValidator(_check_option)]
UserName = Annotated[str, AfterValidator(_check_user)]


SecretId = Annotated[str, AfterValidator(_check_secret_id)]
