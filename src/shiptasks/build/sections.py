"""The configuration of building, as far as a service has its own."""

from __future__ import annotations

from shiptasks.config.section import Section
from shiptasks.config.types import ArgumentName, RelativePath, StageName, Table, frozen


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
