"""Output without a terminal: a line when a step ends, one before it when that takes long, folds and marks in CI."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from typing import TextIO

from shiptasks.run import text
from shiptasks.run.ending import Section
from shiptasks.run.events import Event, Failure, StepStarted
from shiptasks.run.folds import Folds
from shiptasks.run.people import People
from shiptasks.run.results import StepResult
from shiptasks.run.text import Line

_RED, _GREEN, _YELLOW, _DIM = "31", "32", "33", "2"
_COLOURS = {
    "ok": _GREEN,
    "failed": _RED,
    "skipped": _DIM,
    "warned": _YELLOW,
    "interrupted": _YELLOW,
    "cached": _DIM,
}
_STAMP = len("12:03:11 ")


class Plain(People):
    """Listener: lines on a stream, without escapes unless `colour`.

    A step that runs for `patience` seconds, if that is given, is told to be running: a log that stands still says
    where. With `stamps` the lines that tell of steps have the time in front.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        columns: int = 120,
        colour: bool = False,
        folds: Folds | None = None,
        patience: float | None = 2.0,
        stamps: bool = False,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        super().__init__(text.marks_for(stream.encoding), quiet=quiet, verbose=verbose)
        self._stream = stream
        self._columns = columns
        self._colour = colour
        self._folds = folds
        self._stamps = stamps
        self._patience = patience
        self._waiting: dict[str, threading.Timer] = {}
        self._lock = threading.RLock()
        self._annotated = False

    def handle(self, event: Event) -> None:
        with self._lock:
            super().handle(event)

    def handle_lines(self, step: str, lines: Sequence[str], stream: str = "", at: float = 0.0) -> None:
        with self._lock:
            super().handle_lines(step, lines, stream, at)

    def columns(self) -> int:
        return self._columns

    def step_line(self, step: StepResult, columns: int) -> Line:
        return super().step_line(step, columns - (_STAMP if self._stamps else 0))

    def began(self, event: StepStarted) -> None:
        if self.quiet or self._patience is None:
            return
        timer = self._waiting[event.step] = threading.Timer(
            self._patience, self._still_running, (event, self._patience)
        )
        timer.daemon = True
        timer.start()

    def _still_running(self, event: StepStarted, patience: float) -> None:
        with self._lock:
            if event.step in self._waiting:
                where = text.place(event.host, event.service)
                columns = self._columns - (_STAMP if self._stamps else 0)
                mark = (self.marks.running, "")
                line = text.step_line(mark, event.title, where, "", None, columns, self.marks.ellipsis)
                self.write(line, at=event.at + patience)

    def ended(self, step: StepResult) -> None:
        waiting = self._waiting.pop(step.started.step, None)
        if waiting is not None:
            waiting.cancel()
        if self._folds is None or self.quiet or self.verbose:
            return
        is_shown_at_end = step.outcome == "failed" and step.started.alone
        shown = text.TAIL if step.outcome == "failed" else 0
        if step.output.left_out(shown) and not is_shown_at_end:
            self._fold(f"step_{step.started.step}", step.started.title, step.output.lines())

    def section(self, section: Section) -> None:
        """Most of a long output is folded away, up to its last lines."""
        if self._folds is None or len(section.output) <= text.TAIL:
            super().section(section)
            return
        before, last = section.output[: -text.TAIL], section.output[-text.TAIL :]
        self.write(((text.rule(section.title, self._columns, self.marks.rule), "bold"),))
        self.write(*section.lines)
        self._fold(f"end_{re.sub(r'[^a-zA-Z0-9.-]+', '_', section.title)}", section.title, before)
        super().section(Section("", output=last, alone=section.alone))

    def _fold(self, name: str, title: str, lines: Iterable[str]) -> None:
        if self._folds is not None:
            self._raw(self._folds.fold(name, f"output of {title}", [text.clean(line) for line in lines]))

    def finished(self) -> None:
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        self._annotate()

    def failure(self, event: Failure) -> None:
        super().failure(event)
        if self._folds is not None:
            self._annotate()
            self._raw(self._folds.error(event))

    def _annotate(self) -> None:
        if self._folds is not None and not self._annotated:
            self._annotated = True
            self._raw(self._folds.findings(list(self.results.findings())))

    def write(self, *lines: Line, at: float | None = None) -> None:
        front = f"{text.stamp(at)} " if self._stamps and at is not None else ""
        self._others(front + "".join(self._paint(*part) for part in line).rstrip() for line in lines)

    def write_output(self, step: StepResult | None, lines: Sequence[str], indent: str = "") -> None:
        if step is not None:
            indent = f"{text.one_line(step.started.title)}: "
        self._others(f"{indent}{line}" for line in lines)

    def _others(self, lines: Iterable[str]) -> None:
        self._raw(self._folds.line(line) if self._folds else line for line in lines)

    def _paint(self, word: str, style: str) -> str:
        code = _COLOURS.get(style)
        return f"\x1b[{code}m{word}\x1b[0m" if self._colour and code and word else word

    def _raw(self, lines: Iterable[str]) -> None:
        encoding = self._stream.encoding or "utf-8"
        for line in lines:
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()
