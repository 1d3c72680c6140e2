"""Composable release tasks for small products on plain Docker Compose hosts.

    import shiptasks
    ns = shiptasks.namespace()      # in a repository's tasks.py: every task, and its own

`namespace`, `task`, `call`, `load` and `start` are the surface for task files; `Project`, the types of values and the
errors are what they deal with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shiptasks.errors import (
    Failed,
    FailedNotRestored,
    FailedRestored,
    Interrupted,
    Refused,
    ShiptasksError,
    UsageError,
)
from shiptasks.lazy import exports

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.config.model import Project as Project
    from shiptasks.config.values import Duration as Duration
    from shiptasks.config.values import Size as Size
    from shiptasks.config.values import Version as Version
    from shiptasks.run.hooks import HookContext as HookContext
    from shiptasks.run.run import start as start
    from shiptasks.tasks import call as call
    from shiptasks.tasks import namespace as namespace
    from shiptasks.tasks import task as task

__version__ = "0.1.0"

__all__ = [
    "Duration",
    "Failed",
    "FailedNotRestored",
    "FailedRestored",
    "HookContext",
    "Interrupted",
    "Project",
    "Refused",
    "ShiptasksError",
    "Size",
    "UsageError",
    "Version",
    "__version__",
    "call",
    "load",
    "namespace",
    "start",
    "task",
]


def load(
    root: Context | Path | str | None = None, environment: str = "", *, environ: Mapping[str, str] = os.environ
) -> Project:
    """The configuration of a repository, with the overlay of `environment`.

    `root` is its folder, or the context of a task, whose repository and `--set` flags count; when left out, the
    repository around the current folder. Raises UsageError with every problem at once.
    """
    from shiptasks.config.load import find_root
    from shiptasks.config.load import load as load_project

    if isinstance(root, (str, os.PathLike)):
        return load_project(Path(root), environment, environ=environ)
    from shiptasks.tasks._task import flags, root_of

    folder = root_of(root) if root is not None else find_root(Path.cwd())
    return load_project(folder, environment, environ=environ, flags=flags())


# Neither pydantic, for `inv --list`, nor the task surface, for who wants a part of the library, comes unasked.
__getattr__ = exports(
    __name__,
    {
        "Project": "shiptasks.config.model",
        **dict.fromkeys(("Duration", "Size", "Version"), "shiptasks.config.values"),
        **dict.fromkeys(("call", "namespace", "task"), "shiptasks.tasks"),
        "start": "shiptasks.run.run",
        "HookContext": "shiptasks.run.hooks",
    },
)
