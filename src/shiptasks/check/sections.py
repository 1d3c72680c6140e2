"""The configuration of lint and test."""

from __future__ import annotations

from shiptasks.config.hook import StageHooks, TaskHooks
from shiptasks.config.types import Command, Name, Table

Commands = Table[Name, Command]
"""Commands by name."""


class CheckHooks(TaskHooks):
    """`[tool.shiptasks.hooks.check]`: what runs around `inv check`; in `inv lint` and `inv test` those of the stage."""

    lint: StageHooks = StageHooks()
    """Around all lint commands."""
    test: StageHooks = StageHooks()
    """Around all test commands."""
