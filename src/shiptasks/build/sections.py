"""The configuration of building, as far as a service has its own."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from shiptasks.config.section import Section
from shiptasks.config.suggest import did_you_mean
from shiptasks.config.types import ArgumentName, RelativePath, StageName, Table, frozen
from shiptasks.config.values import Size

POLICY_RULES = (
    "D6-dockerignore",
    "D6-digest",
    "D6-healthcheck",
    "D6-latest",
    "D6-path",
    "D6-slim",
    "D6-stages",
    "D6-user",
)
"""What the policy looks at; `build/policyrules.py` says each."""

_OTHERS_RULE = re.compile(r"(?:DL|SC)[0-9]{4}")


def _check_rule(value: str) -> str:
    if value not in POLICY_RULES and not _OTHERS_RULE.fullmatch(value):
        near = did_you_mean(value, POLICY_RULES)
        raise ValueError(
            f"expected one of {', '.join(POLICY_RULES)}, or a rule of hadolint such as DL3008 {near}".rstrip()
        )
    return value


def _check_reason(value: str) -> str:
    if not value.strip():
        raise ValueError("expected the reason, for those who come later")
    return value


class Policy(Section):
    """`[tool.shiptasks.build.policy]`: what is asked of Dockerfiles before anything is built."""

    fail: Literal["high", "medium", "low", "never"] = "never"
    """Findings of this severity and above stop the build; others are shown. A missing path always stops it."""
    ignore: Table[Annotated[str, AfterValidator(_check_rule)], Annotated[str, AfterValidator(_check_reason)]] = frozen()
    """Rules that do not hold here, each with the reason: `D6-healthcheck = "the worker has no port"`."""
    hadolint: bool = True
    """Ask hadolint as well, where it is installed: its errors and warnings are findings of the policy."""


class ServiceImage(Section):
    """What `[tool.shiptasks.services.<name>]` says of building the service."""

    context: RelativePath = "."
    """Folder that the image is built from, relative to pyproject.toml."""
    dockerfile: RelativePath | None = None
    """Dockerfile, relative to pyproject.toml; `<context>/Dockerfile` when left out."""
    target: StageName | None = None
    """Stage of the Dockerfile to build; the last one when left out."""
    args: Table[ArgumentName, str] = frozen()
    """Build arguments. `VERSION` is always passed. Not for secrets: they stay in the image's history."""
    budget: Size | None = None
    """Largest size that the image may have, unpacked, as in `docker images`."""


class Build(Section):
    """`[tool.shiptasks.build]`: how images are built."""

    over_budget: Literal["fail", "warn"] = "fail"
    """What an image does that is larger than the `budget` of its service."""
    policy: Policy = Policy()
    """What is asked of Dockerfiles before anything is built."""
