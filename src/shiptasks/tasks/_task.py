"""What every task has in common: arguments that are checked, errors that become exit codes, signals that are heard.

    @task(help={"version": "the build to deploy; the latest one when left out"})
    def deploy(c: Context, env: str = "", version: str = "", plan: bool = False, format: str = "text") -> None:
        \"\"\"Deploy a build to an environment.\"\"\"
        project = project_of(c, env, needs_env=True)
        with start(project, "deploy", environment=env, version=version, format=format) as run:
            ...

Arguments have defaults, which also decide their types. `env`, `plan`, `format`, `yes` and `jobs` have their help here,
and every task has `--debug`.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from invoke.context import Context
from invoke.exceptions import Exit, Failure, ParseError
from invoke.parser.argument import Argument
from invoke.tasks import Task as InvokeTask
from invoke.tasks import task as invoke_task

from shiptasks.errors import Interrupted, ShiptasksError, UsageError

if TYPE_CHECKING:
    from shiptasks.config.model import Project
    from shiptasks.run.events import Outcome

COMMON_HELP: Mapping[str, str] = {
    "env": "environment, as named in pyproject.toml",
    "plan": "print the steps that would run, and run none of them",
    "format": "what stdout holds",
    "yes": "do not ask before what cannot be undone",
    "jobs": "how many run side by side; 0: one for each processor",
    "only": "names to run, separated by commas; all when left out",
}
COMMON_CHOICES: Mapping[str, tuple[str, ...]] = {"format": ("text", "json")}

_in_task: ContextVar[bool] = ContextVar("in_task", default=False)
_running: ContextVar[str] = ContextVar("running", default="")


class _Number(Argument):
    """A number that is kept as it was typed: invoke answers a bad one with a traceback, `Task` with a sentence."""

    def set_value(self, value: Any, cast: bool = True) -> None:  # noqa: ARG002 - invoke's signature
        super().set_value(value, cast=False)


class Task(InvokeTask):  # type: ignore[type-arg]
    """A task under the plain `inv` program; also a function that other code calls, with or without a context.

    Called by `inv`, an error is shown and ends the process with its exit code (SystemExit). Called from another of
    these tasks, the ShiptasksError is raised to it.
    """

    def __init__(
        self,
        body: Callable[..., Any],
        *,
        choices: Mapping[str, tuple[str, ...]] | None = None,
        help: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        parameters = list(inspect.signature(body).parameters.values())[1:]
        for parameter in parameters:
            if parameter.default is inspect.Parameter.empty:
                # Otherwise `inv deploy --help` would run it, with env="--help".
                raise TypeError(f"the argument {parameter.name!r} of the task {body.__name__!r} needs a default")
        names = {parameter.name: parameter.default for parameter in parameters}
        known = {**COMMON_CHOICES, **(choices or {})}
        self.choices = {name: known[name] for name in names if name in known}
        texts = {
            name: text
            for name, text in {**COMMON_HELP, **(help or {})}.items()
            if name in names or (help and name in help)
        }
        self._help = {name: self._described(name, text, names.get(name)) for name, text in texts.items()}
        self._own_debug = "debug" in names
        options.setdefault("auto_shortflags", False)
        options.setdefault("positional", ())
        super().__init__(body, help=dict(self._help), **options)

    def _described(self, name: str, text: str, default: object) -> str:
        notes = []
        if name in self.choices:
            notes.append(" or ".join(self.choices[name]))
        if default not in ("", None, False, 0):
            notes.append(f"default: {default}")
        return f"{text} ({'; '.join(notes)})" if notes else text

    # Two tasks made by one factory share their code; invoke would take them for the same and run one of them.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self.name == other.name and self.body is other.body

    def __hash__(self) -> int:
        return hash((self.name, id(self.body)))

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        self.help = dict(self._help)  # invoke empties it each time
        arguments = [
            _Number(names=each.names, kind=each.kind, default=each.default, help=each.help, attr_name=each.attr_name)
            if each.kind in (int, float)
            else each
            for each in super().get_arguments(ignore_unknown_help=ignore_unknown_help)
        ]
        if not self._own_debug:
            arguments.append(Argument(names=("debug",), kind=bool, default=False, help="show Python tracebacks"))
        return arguments

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._own_debug and kwargs.pop("debug", False):
            os.environ["SHIPTASKS_DEBUG"] = "1"
        if args and (args[0] is None or isinstance(args[0], Context)):
            context, args = args[0], args[1:]
        else:
            context = None
        if context is None:
            context = Context()
        if _in_task.get():
            return self._run(context, args, kwargs)
        return self._run_outermost(context, args, kwargs)

    def _run(self, context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        bound = inspect.signature(self.body).bind(context, *args, **kwargs)
        for name, default in self._defaults().items():
            if name in bound.arguments:
                bound.arguments[name] = self._checked(name, bound.arguments[name], default)
        token = _running.set(self.name)
        try:
            result = self.body(*bound.args, **bound.kwargs)
        finally:
            _running.reset(token)
        self.times_called += 1
        return result

    def _run_outermost(self, context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from shiptasks.run.signals import guarded

        token = _in_task.set(True)
        try:
            with guarded():
                return self._run(context, args, kwargs)
        except (Exit, Failure, ParseError):  # invoke's own, such as those of `c.run`: it knows what to do with them
            raise
        except (Exception, KeyboardInterrupt) as raised:
            error = self._as_ours(raised)
            self._show(error, kwargs.get("format"), raised)
            raise SystemExit(error.exit_code) from None
        finally:
            _in_task.reset(token)
            _flush()

    def _defaults(self) -> dict[str, Any]:
        parameters = list(inspect.signature(self.body).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    def _checked(self, name: str, value: Any, default: Any) -> Any:
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, str) and isinstance(default, (int, float)) and not isinstance(default, bool):
            try:
                value = type(default)(value)
            except ValueError:
                kind = "a whole number" if isinstance(default, int) else "a number"
                raise UsageError(f"{flag}={value} is not {kind}", now="nothing was run") from None
        choices = self.choices.get(name)
        if choices and value not in choices:
            from shiptasks.config.suggest import nearest

            raise UsageError(
                f"{flag}={value} is not known",
                now="nothing was run",
                hint=f"{flag}={nearest(str(value), choices) or choices[0]}; the choices are {', '.join(choices)}",
            )
        return value

    def _as_ours(self, raised: BaseException) -> ShiptasksError:
        if isinstance(raised, ShiptasksError):
            return raised
        if isinstance(raised, KeyboardInterrupt):
            return Interrupted(f"{self.name} was interrupted")
        from tempfile import mkdtemp

        from shiptasks.run.run import unexpected
        from shiptasks.run.secrets import Secrets

        return unexpected(raised, Path(mkdtemp(prefix="shiptasks-")), self.name, Secrets())

    def _show(self, error: ShiptasksError, format: str | None, raised: BaseException) -> None:
        """Show an error that no run has shown: it came before one began, or without one."""
        if error.reported:
            return
        from shiptasks.run.document import document, write
        from shiptasks.run.output import debugging, failure_of, show_error
        from shiptasks.run.run import trace_of

        if debugging():
            sys.stderr.write(trace_of(raised))
        show_error(error)
        if format == "json":
            outcome: Outcome = "interrupted" if isinstance(error, Interrupted) else "failed"
            write(document(self.name, None, outcome=outcome, exit_code=error.exit_code, failure=failure_of(error)))


@overload
def task(body: Callable[..., Any], /) -> Task: ...


@overload
def task(*pre: str | Task, **options: Any) -> Callable[[Callable[..., Any]], Task]: ...


def task(*args: Any, **options: Any) -> Any:
    """Make a function a task. Takes `choices` by argument, and what invoke's own decorator takes.

    Tasks that run before it (`pre`, or positional) may be named: the name is looked up when all tasks are known.
    """
    return invoke_task(*args, klass=Task, **options)


def root_of(c: Context | None) -> Path:
    """The repository that a task works on: that of the tasks file, else the nearest pyproject.toml upwards."""
    if c is not None:
        root = c.config.get("shiptasks", {}).get("root", "")
        if root:
            return Path(root)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here)


def project_of(c: Context | None, env: str = "", *, needs_env: bool = False) -> Project:
    """The configuration of the repository, with the overlay of `env`.

    Raises UsageError, also when `needs_env` and none is given.
    """
    from shiptasks.config.load import load

    root = root_of(c)
    project = load(root, env)
    if needs_env and not env:
        known = list(project.environments)
        raise UsageError(
            "no environment was given",
            now="nothing was run",
            hint=" or ".join(f"--env={name}" for name in known)
            if known
            else "add [tool.shiptasks.environments.<name>] to pyproject.toml",
        )
    return project


def answer(format: str, data: Any, text: str) -> None:
    """Print what was asked for, without a run: `text` for people, `data` as the `result` of the JSON document."""
    from shiptasks.run.document import document, write

    if format == "json":
        write(document(_running.get(), data))
    else:
        sys.stdout.write(text.rstrip("\n") + "\n")


def words(value: str) -> tuple[str, ...]:
    """`a,b` as a tuple; empty for an empty text."""
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _flush() -> None:
    """Write what is left; a reader that has gone away (`inv check | head`) is no error of the task."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
