"""Composable release tasks for small products on plain Docker Compose hosts.

    import shiptasks
    ns = shiptasks.namespace()      # in a repository's tasks.py: every task, and its own

`namespace`, `task` and `load` are the surface for task files; `Project` and the errors are what they deal with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiptasks.errors import (
    Failed,
    FailedNotRestored,
    FailedRestored,
    Interrupted,
    Refused,
    ShiptasksError,
    UsageError,
)

if TYPE_CHECKING:
    from shiptasks.config.model import Project as Project
    from shiptasks.tasks import namespace as namespace
    from shiptasks.tasks import task as task

__version__ = "0.1.0"

__all__ = [
    "Failed",
    "FailedNotRestored",
    "FailedRestored",
    "Interrupted",
    "Project",
    "Refused",
    "ShiptasksError",
    "UsageError",
    "__version__",
    "load",
    "namespace",
    "task",
]


def load(root: Path | str, environment: str = "", *, environ: Mapping[str, str] = os.environ) -> Project:
    """The configuration of the repository at `root`, with the overlay of `environment`. Raises UsageError."""
    from shiptasks.config.load import load as load_project

    return load_project(Path(root), environment, environ=environ)


def __getattr__(name: str) -> Any:
    # Neither pydantic, for `inv --list`, nor the task surface, for who wants a part of the library, comes unasked.
    module = {"Project": "shiptasks.config.model", "namespace": "shiptasks.tasks", "task": "shiptasks.tasks"}.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)
