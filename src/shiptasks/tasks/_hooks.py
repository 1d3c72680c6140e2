"""The repository's own tasks, as hooks call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shiptasks.tasks._namespace import tasks_of
from shiptasks.tasks._task import Task

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.config.hook import StageHooks
    from shiptasks.config.model import Project
    from shiptasks.run.events import Bus
    from shiptasks.run.hooks import HookContext, Hooks


class RepositoryTasks:
    """The tasks of the repository that `c` belongs to."""

    def __init__(self, c: Context | None) -> None:
        self.c = c

    def names(self) -> list[str]:
        return list(tasks_of(self.c))

    def run(self, name: str, context: HookContext, variables: Mapping[str, str]) -> None:
        """Call the task, with the context if it takes one; its commands have the variables."""
        from invoke.context import Context

        task = tasks_of(self.c)[name]
        c = Context(config=self.c.config.clone()) if self.c is not None else Context()
        c.config.run.env = {**c.config.run.env, **variables}
        arguments: dict[str, Any] = {}
        if isinstance(task, Task) and task.hook_parameter:
            arguments[task.hook_parameter] = context
        task(c, **arguments)


def hooks_of(c: Context | None, project: Project, task: str, bus: Bus, points: StageHooks | None) -> Hooks:
    """The hooks of a task, checked. Raises UsageError where one names a task that does not exist."""
    from shiptasks.run.hooks import Hooks

    hooks = Hooks(project, task, points, bus, RepositoryTasks(c))
    hooks.check()
    return hooks
