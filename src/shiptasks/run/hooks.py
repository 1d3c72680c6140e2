"""Runs the hooks around a task and its stages: commands as processes, tasks of the repository through a callable.

A hook is told of the run by `HookContext`, and as `SHIPTASKS_*` variables. A hook that would begin, in the middle of a
deploy, another one of the same environment is refused at once: it would wait for a lock that waits for it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shiptasks.config.hook import Hook, StageHooks
from shiptasks.config.suggest import did_you_mean
from shiptasks.errors import Failed, Interrupted, Refused, ShiptasksError, UsageError
from shiptasks.run import process
from shiptasks.run.events import Bus

if TYPE_CHECKING:
    from shiptasks.config.model import Project

When = Literal["before", "after", "failed"]
WITHIN = "SHIPTASKS_WITHIN"
_LOCKING = ("deploy", "rollback", "down")
_within: ContextVar[tuple[str, ...]] = ContextVar("within", default=())


@dataclass(frozen=True)
class HookContext:
    """What a hook is told. `stage` is empty around the whole task; `outcome` and `error` are for `after` and `failed`.

    `outcome` is `ok`, `failed`, `interrupted`, `restored` (failed, the previous state serves) or `not-restored`.
    """

    task: str
    when: When
    project: str
    stage: str = ""
    environment: str = ""
    version: str = ""
    revision: str = ""
    hosts: tuple[str, ...] = ()
    outcome: str = ""
    error: str = ""
    run: str = ""

    def variables(self) -> dict[str, str]:
        """The same as variables of the process environment."""
        return {
            "SHIPTASKS_TASK": self.task,
            "SHIPTASKS_WHEN": self.when,
            "SHIPTASKS_STAGE": self.stage,
            "SHIPTASKS_ENVIRONMENT": self.environment,
            "SHIPTASKS_VERSION": self.version,
            "SHIPTASKS_REVISION": self.revision,
            "SHIPTASKS_HOSTS": ",".join(self.hosts),
            "SHIPTASKS_OUTCOME": self.outcome,
            "SHIPTASKS_ERROR": self.error,
            "SHIPTASKS_RUN": self.run,
        }

    @property
    def point(self) -> str:
        """`before deploy`, `after deploy.migrate`."""
        return f"{self.when} {self.task}{f'.{self.stage}' if self.stage else ''}"


class Tasks(Protocol):
    """The repository's tasks, which this layer cannot know of itself."""

    def names(self) -> list[str]: ...

    def run(self, name: str, context: HookContext, variables: Mapping[str, str]) -> None: ...


class _Told(io.TextIOBase):
    """Where a task that is a hook prints: its lines are told like everything else, and stdout stays the run's own."""

    encoding = "utf-8"

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._bus.notice(line)
        return len(text)


class Hooks:
    """The hooks of one task. Without any configured, everything here does nothing."""

    def __init__(self, project: Project, task: str, points: StageHooks | None, bus: Bus, tasks: Tasks | None) -> None:
        self.points = points
        self.project = project
        self.bus = bus
        self.tasks = tasks
        self.context = HookContext(task, "before", project.project, environment=project.environment)

    def about(self, **known: Any) -> None:
        """What is known from now on, such as the version."""
        self.context = replace(self.context, **known)

    def check(self) -> None:
        """Raises UsageError for a hook that names a task which does not exist."""
        for stage, points in self._all():
            for when in ("before", "after", "failed"):
                for index, hook in enumerate(getattr(points, when, ())):
                    known = self.tasks.names() if self.tasks and hook.task else []
                    if hook.task and hook.task not in known:
                        where = ("hooks", self.context.task, *([stage.replace("_", "-")] if stage else []), when, index)
                        raise UsageError(
                            f"the hook names a task that does not exist: {hook.task}",
                            where=self.project.where(*where),
                            now="nothing was run",
                            hint=did_you_mean(hook.task, known) or "inv --list shows the tasks",
                        )

    @contextmanager
    def around(self, stage: str = "") -> Iterator[None]:
        """Run the block between the hooks of a stage, or of the whole task.

        Raises Failed when a before-hook fails, and then the block has not run. Whatever the block raises is raised
        again, after the hooks for that.
        """
        self.before(stage)
        try:
            yield
        except BaseException as error:
            context = replace(
                self.context, when="failed", stage=_kebab(stage), outcome=_outcome(error), error=_said(error)
            )
            self._report(self._hooks(stage, "failed"), context)
            raise
        self.after(stage)

    def before(self, stage: str = "") -> None:
        """Run the hooks that come before. Raises Failed when one fails."""
        for hook in self._hooks(stage, "before"):
            self._run(hook, replace(self.context, when="before", stage=_kebab(stage)))

    def after(self, stage: str = "") -> None:
        """Run the hooks that come after success."""
        self._report(
            self._hooks(stage, "after"), replace(self.context, when="after", stage=_kebab(stage), outcome="ok")
        )

    def _report(self, hooks: tuple[Hook, ...], context: HookContext) -> None:
        """What these do wrong changes nothing any more: it is told, and the next ones run."""
        for hook in hooks:
            try:
                self._run(hook, context)
            except Exception as error:
                self.bus.notice(f"{_said(error)}; it changes nothing", level="warning")

    def _run(self, hook: Hook, context: HookContext) -> None:
        entry = _entry(context.task, self.project)
        chain = (*_chain(), entry)
        variables = {**context.variables(), WITHIN: ",".join(chain)}
        with self.bus.step(f"hook {context.point}: {hook}", stage=context.stage) as step:
            token = _within.set(chain)
            try:
                if hook.task and self.tasks:
                    with redirect_stdout(_Told(self.bus)):
                        self.tasks.run(hook.task, context, variables)
                elif hook.command:
                    process.run(
                        process.command_line(hook.command),
                        cwd=self.project.root,
                        env={**os.environ, **variables},
                        timeout=hook.timeout,
                        on_line=lambda line, stream: step.output(line, "stderr" if stream == "stderr" else "stdout"),
                    )
            except Interrupted:
                raise
            except (Exception, SystemExit) as error:
                where = self.project.where("hooks", context.task, *filter(None, (context.stage,)), context.when)
                raise Failed(
                    f"the hook {context.point} failed: {_said(error)}",
                    where=where,
                    now="nothing was changed" if not context.stage and context.when == "before" else "",
                    details=error.details if isinstance(error, ShiptasksError) else (),
                ) from error
            finally:
                _within.reset(token)

    def _hooks(self, stage: str, when: When) -> tuple[Hook, ...]:
        at = self.points if not stage else getattr(self.points, _snake(stage), None)
        found: tuple[Hook, ...] = getattr(at, when, ())
        return found

    def _all(self) -> Iterator[tuple[str, StageHooks]]:
        if self.points is not None:
            yield "", self.points
            for name in type(self.points).model_fields:
                value = getattr(self.points, name)
                if isinstance(value, StageHooks):
                    yield name, value


def planned(points: StageHooks | None, stage: str, when: When) -> tuple[str, ...]:
    """The hooks of a point, in words, for a plan."""
    at = points if not stage else getattr(points, _snake(stage), None)
    return tuple(str(hook) for hook in getattr(at, when, ())) if at is not None else ()


def refuse_loop(project: Project, task: str) -> None:
    """Raises Refused where a hook of a run has begun what would wait for, or begin, that very run again."""
    mine = _entry(task, project)
    kind, place = mine.split(":", 1)
    for entry in _chain():
        other, elsewhere = entry.split(":", 1)
        same = entry == mine or (elsewhere == place and kind in _LOCKING and other in _LOCKING)
        if same:
            raise Refused(
                f"a hook of inv {other} may not run inv {task}" + (f" of {project.environment}" if place else ""),
                where=f"inside {' -> '.join(each.replace(':', ' ').strip() for each in _chain())}",
                now="nothing was changed by it",
                hint="take it out of the hook: run it before, or afterwards",
            )


def _entry(task: str, project: Project) -> str:
    kind = "check" if task in ("lint", "test") else task
    return f"{kind}:{project.project}/{project.environment}"


def _chain() -> tuple[str, ...]:
    return (*(word for word in os.environ.get(WITHIN, "").split(",") if ":" in word), *_within.get())


def _outcome(error: BaseException) -> str:
    code = error.exit_code if isinstance(error, ShiptasksError) else 130 if isinstance(error, KeyboardInterrupt) else 1
    return {4: "restored", 5: "not-restored", 130: "interrupted"}.get(code, "failed")


def _said(error: BaseException) -> str:
    if isinstance(error, ShiptasksError):
        return error.what
    if isinstance(error, SystemExit):
        return f"it ended with exit code {error.code}"
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _snake(stage: str) -> str:
    return stage.replace(" ", "_").replace("-", "_")


def _kebab(stage: str) -> str:
    return stage.replace(" ", "-").replace("_", "-")
