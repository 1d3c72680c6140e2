"""A small project to plan builds of, made without reading a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shiptasks.config.model import Project


def make_project(root: Path, **keys: Any) -> Project:
    """A project of two services under `root`; keys as in pyproject.toml, with `_` for `-`."""
    raw: dict[str, Any] = {
        "project": "shop",
        "services": {"api": {"context": "api"}, "web": {"context": "web", "dockerfile": "docker/web.Dockerfile"}},
        **{key.replace("_", "-"): value for key, value in keys.items()},
    }
    return Project.model_validate(raw).located(root, "")


def write_sources(root: Path) -> None:
    """The files that `make_project`'s services are built from."""
    for folder in ("api", "web", "docker"):
        (root / folder).mkdir(exist_ok=True)
    (root / "api" / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (root / "docker" / "web.Dockerfile").write_text("FROM scratch\nCOPY . /\n")
