"""What every task has in common: arguments that are checked, errors that become exit codes, signals that are heard.

    @task(help={"version": "the build to deploy; the latest one when left out"})
    def deploy(c: Context, env: str = "", version: str = "", plan: bool = False, format: str = "text") -> None:
        \"\"\"Deploy a build to an environment.\"\"\"
        project = project_of(c, env, needs_env=True)
        with start(project, "deploy", environment=env, version=version, format=format) as run:
            ...

Parameters are flags, typed by their annotations, else by their defaults (_arguments.py); one without a default must
be given. `env`, `plan`, `format`, `yes` and `jobs` have their help here. Every task has `--set KEY=VALUE`, which
changes the configuration that it loads, and `--debug`.
"""

from __future__ import annotations

import enum
import inspect
import os
import sys
import threading
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
from shiptasks.tasks._arguments import Parameter, hook_parameter, parameters
from shiptasks.tasks._shell import own_context

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
_flags: ContextVar[tuple[str, ...]] = ContextVar("flags", default=())
_ALWAYS = (
    ("set", list, "a configuration key for this run, as in --set deploy.batch=2; may be repeated"),
    ("debug", bool, "show Python tracebacks"),
)


class _Flag(Argument):
    """A flag whose value stays as it was typed: invoke answers a bad number with a traceback, Task with a sentence."""

    def set_value(self, value: Any, cast: bool = True) -> None:
        super().set_value(value, cast=cast and self.kind is list)


class Task(InvokeTask):  # type: ignore[type-arg]
    """A task under the plain `inv` program; also a function that other code calls, with or without a context.

    Called by `inv`, an error is shown and ends the process with its exit code (SystemExit). Called from another of
    these tasks, or from a thread, the ShiptasksError is raised to the caller.

    `group` is the heading under which `inv --list` shows it; `under` the task below which it is listed, so that
    `schema` under `config` is `inv config.schema`. `like` is a task whose flags it takes as well, for a body with
    `**options`.
    """

    def __init__(
        self,
        body: Callable[..., Any],
        *,
        choices: Mapping[str, tuple[str, ...]] | None = None,
        help: Mapping[str, str] | None = None,
        group: str = "",
        under: str = "",
        like: Task | None = None,
        **options: Any,
    ) -> None:
        if options.pop("positional", None):
            # Otherwise `inv deploy --help` would run it, with "--help" as the argument.
            raise TypeError(f"the task {body.__name__!r} cannot have positional arguments: they are flags")
        self.group, self.under = group, under
        repeated = options.get("iterable") or ()
        found = parameters(body, {**COMMON_CHOICES, **(choices or {})}, repeated)
        self.hook_parameter = hook_parameter(body)
        self._help = {**COMMON_HELP, **(help or {})}
        if like is not None:
            own = {parameter.name for parameter in found}
            found += [parameter for parameter in like.parameters.values() if parameter.name not in own]
            self._help = {**like._help, **(help or {})}
        self.parameters: dict[str, Parameter] = {parameter.name: parameter for parameter in found}
        for name in help or ():
            if name not in self.parameters:
                raise TypeError(f"the task {body.__name__!r} has no argument {name!r} to give help for")
        options.setdefault("auto_shortflags", False)
        super().__init__(body, positional=(), **options)

    # Two tasks made by one factory share their code; invoke would take them for the same and run one of them.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self.name == other.name and self.body is other.body

    def __hash__(self) -> int:
        return hash((self.name, id(self.body)))

    def fill_implicit_positionals(self, positional: Any) -> Any:  # noqa: ARG002 - invoke's signature
        return ()

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:  # noqa: ARG002 - as above
        taken: set[str] = set()
        arguments: list[Argument] = []
        for parameter in self.parameters.values():
            names = [parameter.name.replace("_", "-")]
            short = parameter.name[0]
            if self.auto_shortflags and short not in taken and len(parameter.name) > 1:
                names.append(short)
            taken.update(names)
            arguments.append(
                _Flag(
                    names=names,
                    kind=list if parameter.many else parameter.kind if parameter.kind in (bool, int, float) else str,
                    default=None if parameter.many or parameter.required else _typed_default(parameter.default),
                    help=self.described(parameter),
                    optional=parameter.name in self.optional,
                    incrementable=parameter.name in self.incrementable,
                    attr_name=parameter.name if parameter.name != names[0] else None,
                )
            )
        for name, kind, text in _ALWAYS:
            if name not in self.parameters:
                default = False if kind is bool else None
                arguments.append(Argument(names=(name,), kind=kind, default=default, help=text))
        return arguments

    def described(self, parameter: Parameter) -> str:
        """Help of a flag, with its choices and its default."""
        notes = [" or ".join(parameter.choices)] if parameter.choices else []
        if parameter.required:
            notes.append("required")
        elif parameter.default not in ("", None, False, 0, (), []):
            notes.append(f"default: {_default_text(parameter.default)}")
        text = self._help.get(parameter.name, "")
        return f"{text} ({'; '.join(notes)})".strip() if notes else text

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "debug" not in self.parameters and kwargs.pop("debug", False):
            os.environ["SHIPTASKS_DEBUG"] = "1"
        flags = () if "set" in self.parameters else tuple(kwargs.pop("set", None) or ())
        given = None
        if args and (args[0] is None or isinstance(args[0], Context)):
            given, args = args[0], args[1:]
        context = own_context(given)
        before = _flags.set((*_flags.get(), *flags))
        try:
            if _in_task.get() or threading.current_thread() is not threading.main_thread():
                return self._run(context, args, kwargs)
            return self._run_outermost(context, args, kwargs)
        finally:
            _flags.reset(before)

    def _run(self, context: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        names = [name for name in inspect.signature(self.body).parameters if name != self.hook_parameter][1:]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        for name, parameter in self.parameters.items():
            if parameter.required and given.get(name) is None:
                hint = f"inv {self.name} {parameter.flag}=…"
                raise UsageError(f"{parameter.flag} is missing", now="nothing was run", hint=hint)
            if name in given:
                given[name] = parameter.value(given[name])
        token = _running.set(self.name)
        try:
            result = self.body(context, *args[len(names) :], **given)
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
    """Make a function a task. Takes `choices` by argument, `group`, `under`, `like`, and what invoke's own takes.

    Tasks that run before it (`pre`, or positional) may be named: the name is looked up when all tasks are known.
    """
    return invoke_task(*args, klass=Task, **options)


def root_of(c: Context | None) -> Path:
    """The repository that a task works on: that of the tasks file, else the nearest with our table upwards."""
    if c is not None:
        root = c.config.get("shiptasks", {}).get("root", "")
        if root:
            return Path(root)
    from shiptasks.config.load import find_root

    return find_root(Path.cwd())


def flags() -> tuple[str, ...]:
    """What `--set` was given to the running task and those that called it."""
    return _flags.get()


def project_of(c: Context | None, env: str = "", *, needs_env: bool = False) -> Project:
    """The configuration of the repository, with the overlay of `env`.

    Raises UsageError, also when `needs_env` and none is given.
    """
    from shiptasks.config.load import load

    root = root_of(c)
    project = load(root, env, flags=_flags.get())
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


def _typed_default(default: Any) -> Any:
    """The default as invoke's parser may hold it: what it does not know stays a text."""
    return default if default is None or isinstance(default, (bool, int, float, str)) else _default_text(default)


def _default_text(default: Any) -> str:
    if isinstance(default, (list, tuple)):
        return ",".join(map(str, default))
    if isinstance(default, enum.Enum):
        return default.value if isinstance(default.value, str) else default.name.lower().replace("_", "-")
    return str(default)


def _flush() -> None:
    """Write what is left; a reader that has gone away (`inv check | head`) is no error of the task."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
