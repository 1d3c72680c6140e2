"""Output without a terminal: a line when a step ends, one before it when that takes long, folds and marks in CI."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol, TextIO

from shiptasks.run import text
from shiptasks.run.events import (
    Event,
    Failure,
    Notice,
    RunFinished,
    RunStarted,
    StepFinished,
    StepOutput,
    StepStarted,
    Text,
)

_RED, _GREEN, _YELLOW, _DIM = "31", "32", "33", "2"
_COLOURS = {
    "ok": _GREEN,
    "failed": _RED,
    "skipped": _DIM,
    "warned": _YELLOW,
    "interrupted": _YELLOW,
    "cached": _DIM,
    "warning": _YELLOW,
    "error": _RED,
}
_FOLDED = 2_000  # lines of a step that a fold keeps; the run log has all
_FILE_LINE = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+)(?::(?P<column>\d+))?")


class Folds(Protocol):
    """How a CI system folds lines and marks errors."""

    def fold(self, step: StepStarted, lines: Iterable[str]) -> list[str]:
        """The output of a step as lines that are folded away."""

    def error(self, event: Failure) -> list[str]:
        """Lines that mark an error where the CI system shows errors."""

    def line(self, line: str) -> str:
        """A line that holds others' words, so that it gives the CI system no command."""


class GitHubFolds:
    """GitHub Actions: `::group::`, `::error file=…::`. What others wrote cannot give commands from inside a fold."""

    def fold(self, step: StepStarted, lines: Iterable[str]) -> list[str]:
        token = secrets.token_hex(16)
        title = self.line(_fold_title(step))
        return [f"::group::{title}", f"::stop-commands::{token}", *lines, f"::{token}::", "::endgroup::"]

    def error(self, event: Failure) -> list[str]:
        match = _FILE_LINE.match(event.where)
        at = {"file": match["file"], "line": match["line"], "col": match["column"]} if match else {}
        properties = ",".join(f"{key}={self._property(value)}" for key, value in at.items() if value)
        parts = (event.what, event.now and f"now: {event.now}", event.hint and f"next: {event.hint}")
        message = self._data("\n".join(part for part in parts if part))
        return [f"::error {properties}::{message}" if properties else f"::error::{message}"]

    def line(self, line: str) -> str:
        # `::command::` counts at the start of a line, the old `##[command]` anywhere in it.
        line = line.replace("##[", "## [")
        return f"| {line}" if line.lstrip().startswith("::") else line

    @staticmethod
    def _data(value: str) -> str:
        return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    @classmethod
    def _property(cls, value: str) -> str:
        return cls._data(value).replace(":", "%3A").replace(",", "%2C")


class GitLabFolds:
    """GitLab CI: collapsed sections."""

    def fold(self, step: StepStarted, lines: Iterable[str]) -> list[str]:
        now, name = int(time.time()), f"step_{step.step}"
        return [
            f"\x1b[0Ksection_start:{now}:{name}[collapsed=true]\r\x1b[0K{_fold_title(step)}",
            *lines,
            f"\x1b[0Ksection_end:{now}:{name}\r\x1b[0K",
        ]

    def error(self, event: Failure) -> list[str]:  # noqa: ARG002 - GitLab has no mark for errors in a log
        return []

    def line(self, line: str) -> str:
        return line


def _fold_title(step: StepStarted) -> str:
    return f"output of {text.one_line(step.title)}"


def folds_of(environ: Mapping[str, str]) -> Folds | None:
    """What the CI system that this runs in understands; None when it is none of those."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return GitHubFolds()
    if environ.get("GITLAB_CI") == "true":
        return GitLabFolds()
    return None


class Plain:
    """Listener: lines on a stream, without escapes unless `colour`.

    A step that runs for `patience` seconds is told to be running: a log that stands still says where.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        columns: int = 120,
        colour: bool = False,
        folds: Folds | None = None,
        patience: float = 2.0,
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._colour = colour
        self._folds = folds
        self._marks = text.Marks() if _can_say(stream, "✓✗›…≡") else text.ASCII
        self._run: RunStarted | None = None
        self._steps: dict[str, StepStarted] = {}
        self._output: dict[str, deque[str]] = {}
        self._patience = patience
        self._waiting: dict[str, threading.Timer] = {}
        self._lock = threading.RLock()

    def handle(self, event: Event) -> None:
        with self._lock:
            self._handle(event)

    def _handle(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._run = event
            self._write(text.header(event))
        elif isinstance(event, StepStarted):
            self._steps[event.step] = event
            self._output[event.step] = deque(maxlen=_FOLDED if self._folds else text.TAIL)
            self._wait_for(event)
        elif isinstance(event, StepOutput):
            if event.step in self._output:
                self._output[event.step].append(text.clean(event.line))
        elif isinstance(event, StepFinished):
            self._finished(event)
        elif isinstance(event, Notice):
            mark = {"info": "", "warning": "warning: ", "error": "error: "}[event.level]
            self._write(self._paint(event.level, mark) + text.clean(event.text))
        elif isinstance(event, Text):
            self._write(*(text.clean(line) for line in event.text.splitlines()))
        elif isinstance(event, Failure):
            self._failure(event)
        elif isinstance(event, RunFinished):
            mark = self._paint(event.outcome, self._marks.of(event.outcome))
            self._write(f"{mark} {text.footer(self._run, event)}")

    def _wait_for(self, event: StepStarted) -> None:
        timer = self._waiting[event.step] = threading.Timer(self._patience, self._still_running, (event,))
        timer.daemon = True
        timer.start()

    def _still_running(self, event: StepStarted) -> None:
        with self._lock:
            if event.step in self._steps:
                self._write(self._step_line(self._marks.running, "", event, "", None))

    def _finished(self, event: StepFinished) -> None:
        waiting = self._waiting.pop(event.step, None)
        if waiting is not None:
            waiting.cancel()
        started = self._steps.pop(event.step, None)
        output = self._output.pop(event.step, None)
        if started is None or output is None:
            return
        mark = self._marks.of(event.outcome)
        self._write(self._step_line(mark, event.outcome, started, event.detail, event.seconds))
        shown = list(output)[-text.TAIL :] if event.outcome == "failed" else []
        if self._folds and len(output) > len(shown):
            self._raw(self._folds.fold(started, output))
        self._write(*(f"    {line}" for line in shown))

    def _step_line(self, mark: str, kind: str, step: StepStarted, detail: str, took: float | None) -> str:
        place = text.place(step.host, step.service)
        room = self._columns - text.width(mark) - 1
        cells, time_ = text.step_cells(step.title, place, detail, took, room, self._marks.ellipsis)
        return f"{self._paint(kind, mark)} {''.join(cells)}{time_}".rstrip()

    def _failure(self, event: Failure) -> None:
        for label, line in text.failure(event, self._columns):
            if label == "":
                self._write(f"{self._paint('failed', self._marks.failed)} {line}")
            elif label == "|":
                self._write(f"    {line}")
            else:
                self._write(f"  {label:<6} {line}")
        if self._folds:
            self._raw(self._folds.error(event))

    def _paint(self, kind: str, word: str) -> str:
        code = _COLOURS.get(kind)
        return f"\x1b[{code}m{word}\x1b[0m" if self._colour and code and word else word

    def _write(self, *lines: str) -> None:
        self._raw(self._folds.line(line) if self._folds else line for line in lines)

    def _raw(self, lines: Iterable[str]) -> None:
        encoding = self._stream.encoding or "utf-8"
        for line in lines:
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()


def _can_say(stream: TextIO, signs: str) -> bool:
    try:
        signs.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
