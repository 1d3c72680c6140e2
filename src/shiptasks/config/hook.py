"""Hooks as they are configured: what runs before and after a task or one of its stages, and when it failed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Strict, model_validator

from shiptasks.config.section import Section
from shiptasks.config.types import Command, Conflicts
from shiptasks.config.values import Duration


class Hook(Section):
    """`{ command = "…" }` or `{ task = "…" }`: a hook. A plain text is a command."""

    text_key = "command"

    command: Command | None = None
    """Command that runs in the folder of pyproject.toml, with the variables of `docs/hooks.md`."""
    task: str | None = None
    """Task of the repository, as `inv --list` shows it."""
    timeout: Duration | None = None
    """Longest time that the command may take; none when left out."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Hook:
        if (self.command is None) == (self.task is None):
            raise Conflicts(((), "expected either `command` or `task`"))
        if self.task is not None and self.timeout is not None:
            raise Conflicts((("timeout",), "a task has no `timeout`, only a command has"))
        return self

    def __str__(self) -> str:
        return f"task {self.task}" if self.task else self.command or ""


def _listed(value: Any) -> Any:
    """One hook is a list of one."""
    return value if isinstance(value, (list, tuple)) else [value]


HookList = Annotated[tuple[Hook, ...], Strict(False), BeforeValidator(_listed)]


class StageHooks(Section):
    """`[tool.shiptasks.hooks.<task>.<stage>]`: what runs around a stage."""

    before: HookList = ()
    """Run before it; one that fails stops the task, and what was begun is taken back."""
    after: HookList = ()
    """Run after it has succeeded; one that fails is reported, and changes nothing."""


class TaskHooks(StageHooks):
    """`[tool.shiptasks.hooks.<task>]`: what runs around a task as a whole."""

    failed: HookList = ()
    """Run when the task has failed or was interrupted, after what it had begun was taken back."""
