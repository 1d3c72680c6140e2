"""What happens, told once, as typed values. Listeners turn them into terminal output, run logs and reports.

A capability emits these through a `Bus` and never prints. To add an output format, add a listener; to tell
something new, add an event here and nothing else changes: listeners ignore the events that they do not know.
"""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol

from shiptasks.errors import Interrupted, ShiptasksError
from shiptasks.plugins.protocols import Finding, Severity
from shiptasks.run.flow import Flow
from shiptasks.run.secrets import Secrets

Outcome = Literal["ok", "failed", "skipped", "warned", "interrupted", "cached"]
Stream = Literal["stdout", "stderr"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. `at` is seconds since the epoch."""

    at: float = field(default_factory=time.time)


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A task began. `run_id` names its folder under .shiptasks/runs/."""

    run_id: str
    task: str
    project: str
    environment: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    """A unit of work began. `step` is unique in the run; `stage` groups steps; `host` and `service` say where.

    `alone` is the command that runs just this step again. The output of such a step, if it fails, is shown in full at
    the end of the run, once, with that command; that of other steps at once, its last lines.
    """

    step: str
    title: str
    stage: str = ""
    host: str = ""
    service: str = ""
    alone: str = ""


@dataclass(frozen=True, kw_only=True)
class StepOutput(Event):
    """One line that a step's process wrote, without its line end. Shown only when the step fails, always logged."""

    step: str
    line: str
    stream: Stream = "stdout"


@dataclass(frozen=True, kw_only=True)
class StepProgress(Event):
    """A short word on how a running step is doing, such as `healthy 1/2`; replaces the one before."""

    step: str
    text: str


@dataclass(frozen=True, kw_only=True)
class StepFinished(Event):
    """A step ended. `seconds` is its wall time, `detail` a short result such as `3 passed`."""

    step: str
    outcome: Outcome
    seconds: float
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class StepFinding(Event):
    """Something that a step's tool found, at a place in a file relative to pyproject.toml. 0: no line, no column.

    Told when the tool has ended, before StepFinished. `blocking` findings are why the step failed.
    """

    step: str
    tool: str
    file: str
    line: int
    column: int
    rule: str
    message: str
    severity: Severity
    blocking: bool = True


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """Something that a person should know, outside of any step."""

    text: str
    level: Level = "info"


@dataclass(frozen=True, kw_only=True)
class Text(Event):
    """What a person asked to see, such as a plan or a table: lines to show as they are."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Failure(Event):
    """An error as the person sees it; the fields are those of `ShiptasksError`."""

    what: str
    where: str = ""
    now: str = ""
    hint: str = ""
    details: tuple[str, ...] = ()
    exit_code: int = 1


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """A task ended, with the exit code that the process will have."""

    outcome: Outcome
    seconds: float
    exit_code: int
    summary: str = ""


class Listener(Protocol):
    """Receives every event, in order, one at a time. It must not raise for events it does not know.

    Output may come in bulk: a listener that has `handle_lines(step, lines, stream, at)` too is called with the lines
    that came at once, and gets no StepOutput for them. Others get a StepOutput for each.

    One that raises (a full disk, a closed pipe) is dropped with a word on stderr: telling never ends the work.
    """

    def handle(self, event: Event) -> None: ...


class StepHandle:
    """What a step's body uses to tell how it goes; `detail` is shown when it ends."""

    def __init__(self, bus: Bus, step: str) -> None:
        self._bus = bus
        self.step = step
        self.detail = ""
        self.outcome: Outcome = "ok"
        self._flow = Flow(partial(bus.output, step))

    def output(self, line: str, stream: Stream = "stdout") -> None:
        self._flow.lines((line,), stream)

    def lines(self, lines: Sequence[str], stream: str = "stdout") -> None:
        """Output that came at once: `process.run(…, on_lines=step.lines)` for what may write a lot."""
        self._flow.lines(lines, stream)

    def finding(self, found: Finding, *, tool: str, blocking: bool = True) -> None:
        """Something that the step's tool found."""
        self._bus.emit(
            StepFinding(
                step=self.step,
                tool=tool,
                file=found.file,
                line=found.line,
                column=found.column,
                rule=found.rule,
                message=found.message,
                severity=found.severity,
                blocking=blocking,
            )
        )

    def progress(self, text: str) -> None:
        self._bus.emit(StepProgress(step=self.step, text=text))

    def finish(self) -> None:
        """Tell the output that is still held back: the last lines of one that was too long."""
        self._flow.finish()


class Bus:
    """Hands each event to every listener under one lock, so that lines of parallel steps never mix.

    Values registered with `secrets` are masked before any listener sees an event.
    """

    def __init__(self, *listeners: Listener, secrets: Secrets | None = None) -> None:
        self.secrets = secrets if secrets is not None else Secrets()
        self._listeners = list(listeners)
        self._lock = threading.RLock()
        self._count = 0

    def subscribe(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        event = self.secrets.mask_fields(event)
        with self._lock:
            for listener in tuple(self._listeners):
                self._tell(listener, listener.handle, event)

    def output(self, step: str, lines: Sequence[str], stream: Stream = "stdout") -> None:
        """Tell lines that a step's process wrote at once."""
        lines = self.secrets.mask_lines(lines)
        at = time.time()
        with self._lock:
            for listener in tuple(self._listeners):
                in_bulk = getattr(listener, "handle_lines", None)
                if in_bulk is not None:
                    self._tell(listener, in_bulk, step, lines, stream, at)
                else:
                    self._tell(listener, _singly, listener, step, lines, stream, at)

    def _tell(self, listener: Listener, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            self._listeners.remove(listener)
            _to_stderr(f"shiptasks: {type(listener).__name__} stopped: {error}")

    def notice(self, text: str, level: Level = "info") -> None:
        """Tell a person something outside of any step."""
        self.emit(Notice(text=text, level=level))

    @contextmanager
    def step(
        self, title: str, *, stage: str = "", host: str = "", service: str = "", alone: str = ""
    ) -> Iterator[StepHandle]:
        """Tell the start and the end of a step; the end tells `failed` when the body raises.

        The body may set `handle.outcome` and `handle.detail`; the detail of one that raised is its error's sentence.
        """
        with self._lock:
            self._count += 1
            handle = StepHandle(self, f"{self._count:03d}")
        self.emit(StepStarted(step=handle.step, title=title, stage=stage, host=host, service=service, alone=alone))
        began = time.monotonic()
        outcome: Outcome = "failed"
        try:
            yield handle
            outcome = handle.outcome
        except (KeyboardInterrupt, Interrupted):
            outcome = "interrupted"
            raise
        except ShiptasksError as error:
            handle.detail = handle.detail or error.what
            raise
        finally:
            seconds = time.monotonic() - began
            handle.finish()
            self.emit(StepFinished(step=handle.step, outcome=outcome, seconds=seconds, detail=handle.detail))


def _singly(listener: Listener, step: str, lines: Sequence[str], stream: Stream, at: float) -> None:
    for line in lines:
        listener.handle(StepOutput(step=step, line=line, stream=stream, at=at))


def _to_stderr(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())


def to_dict(event: Event) -> dict[str, Any]:
    """The event as plain data, with its kind under `event`: the form of the JSON-lines run log."""
    return {"event": type(event).__name__, **dataclasses.asdict(event)}
