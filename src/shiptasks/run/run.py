"""One run of a task: its events, its folder, its end. Every way out of it is told to a person and has an exit code."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from shiptasks.errors import Failed, Interrupted, ShiptasksError
from shiptasks.plugins.discover import enabled
from shiptasks.run.aside import Aside
from shiptasks.run.document import document, write
from shiptasks.run.events import Bus, Listener, Outcome, RunFinished, RunStarted, Text
from shiptasks.run.files import prefix_of
from shiptasks.run.hooks import refuse_loop
from shiptasks.run.markdown import summary_of_step
from shiptasks.run.output import as_format, debugging, failure_of, listener
from shiptasks.run.runlog import RunLog, new_folder, new_run_id
from shiptasks.run.secrets import Secrets
from shiptasks.run.signals import guarded
from shiptasks.run.summary import SummaryFile

if TYPE_CHECKING:
    from shiptasks.config.model import Project

EXIT_INTERRUPTED = 130


@dataclass
class Run:
    """What a task works with while it runs."""

    bus: Bus
    run_id: str
    folder: Path
    """The run's own folder under `.shiptasks/runs/`, for files that belong to this run."""
    project: Project
    format: str = "text"
    result: Any = None
    """Plain data: what the run amounts to. In the JSON format it is printed under `result`, on failure too."""
    summary: str = ""
    """A few words for the last line, such as `5 passed`."""

    @property
    def secrets(self) -> Secrets:
        """Values registered here are masked in everything that the run tells."""
        return self.bus.secrets

    def show(self, text: str) -> None:
        """Show a plan, a table or another answer to the person, as it is."""
        self.bus.emit(Text(text=text))


_current: ContextVar[Run | None] = ContextVar("current_run", default=None)


@contextmanager
def start(
    project: Project,
    task: str,
    *,
    environment: str = "",
    version: str = "",
    format: str = "text",
    quiet: bool = False,
    verbose: bool = False,
    secrets: Secrets | None = None,
) -> Iterator[Run]:
    """Run the block as one run: bus with its listeners, folder, run log; SIGTERM and SIGHUP raise KeyboardInterrupt.

    Inside another run the block becomes part of that one. Raises the block's ShiptasksError, marked as reported;
    Interrupted for a KeyboardInterrupt; Failed for an error that nobody expected, whose traceback is then in the
    run's folder. `quiet` and `verbose` are as for `output.listener`. In the `json` format the one document
    on stdout is written at the end, whatever the end is.
    """
    refuse_loop(project, task)
    outer = _current.get()
    if outer is not None:
        yield Run(outer.bus, outer.run_id, outer.folder, project, outer.format)
        return
    format = as_format(format)
    notifiers = enabled(project, "notifiers")
    stdout = sys.stdout
    run_id = new_run_id()
    try:
        folder = new_folder(project.state_dir, run_id, project.keep_runs)
        log = RunLog(folder)
    except OSError as problem:
        raise Failed(
            f"the run log cannot be written: {problem.strerror}", where=str(problem.filename), now="nothing was run"
        ) from None
    people = listener(format, quiet=quiet, verbose=verbose, prefix=prefix_of(project.root))
    files: list[Listener] = [SummaryFile(folder), *summary_of_step(os.environ)]
    bus = Bus(log, *files, people, *(Aside(each.name, each.made) for each in notifiers), secrets=secrets)
    run = Run(bus, run_id, folder, project, format)
    token = _current.set(run)
    began = time.monotonic()
    started = RunStarted(run_id=run_id, task=task, project=project.project, environment=environment, version=version)
    error: ShiptasksError | None = None
    try:
        with guarded():
            try:
                bus.emit(started)
                yield run
            except BaseException as raised:
                if isinstance(raised, (SystemExit, GeneratorExit)):
                    raise
                error = _as_ours(raised, run, task)
                if debugging():
                    sys.stderr.write(run.secrets.mask(trace_of(raised)))
                if error is raised:
                    raise
                raise error from raised
            finally:
                _finish(run, started, error, time.monotonic() - began, stdout)
    finally:
        _current.reset(token)


def _finish(run: Run, started: RunStarted, error: ShiptasksError | None, took: float, stdout: TextIO) -> None:
    failure = failure_of(error) if error is not None else None
    if error is not None and failure is not None:
        run.bus.emit(failure)
        error.reported = True
    outcome: Outcome = "ok"
    if error is not None:
        outcome = "interrupted" if error.exit_code == EXIT_INTERRUPTED else "failed"
    code = error.exit_code if error is not None else 0
    run.bus.emit(RunFinished(outcome=outcome, seconds=took, exit_code=code, summary=run.summary))
    if run.format == "json":
        told = document(
            started.task,
            run.result,
            outcome=outcome,
            exit_code=code,
            failure=failure,
            run=run.run_id,
            project=started.project,
            environment=started.environment or None,
            version=started.version or None,
            seconds=took,
        )
        write(run.secrets.mask_data(told), stdout)


def _as_ours(raised: BaseException, run: Run, task: str) -> ShiptasksError:
    """The error that a person is shown for what was raised."""
    if isinstance(raised, ShiptasksError):
        return raised
    if isinstance(raised, KeyboardInterrupt):
        return Interrupted(f"{task} was interrupted")
    return unexpected(raised, run.folder, task, run.secrets)


def unexpected(raised: BaseException, folder: Path, task: str, secrets: Secrets) -> Failed:
    """The error for one that nobody expected; its traceback is in `folder`."""
    path = folder / "traceback.txt"
    with suppress(OSError):
        path.touch(mode=0o600)
        path.write_text(secrets.mask(trace_of(raised)), encoding="utf-8")
    return Failed(
        f"{task} met an error that it does not know: {type(raised).__name__}: {raised}",
        where=os.path.relpath(path),
        hint="read the traceback in that file, or run again with --debug",
    )


def trace_of(raised: BaseException) -> str:
    return "".join(traceback.format_exception(type(raised), raised, raised.__traceback__))
