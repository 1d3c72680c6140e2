"""Output on a terminal: live lines for the steps that run, one line for each that ended, details only for failures."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text as RichText

from shiptasks.run import text
from shiptasks.run.events import (
    Event,
    Failure,
    Notice,
    Outcome,
    RunFinished,
    RunStarted,
    StepFinished,
    StepOutput,
    StepProgress,
    StepStarted,
    Text,
)

_STYLES: Mapping[str, str] = {
    "ok": "green",
    "failed": "bold red",
    "skipped": "dim",
    "warned": "yellow",
    "interrupted": "yellow",
    "cached": "dim",
    "info": "",
    "warning": "yellow",
    "error": "red",
}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MOST_LIVE_LINES = 12  # a fleet has more steps than a screen has lines


class Console:
    """Listener for a terminal. `no_color` is decided by rich from NO_COLOR when None."""

    def __init__(self, stream: TextIO, *, columns: int | None = None, no_color: bool | None = None) -> None:
        self._console = RichConsole(
            file=stream, width=columns, no_color=no_color, highlight=False, markup=False, emoji=False
        )
        self._run: RunStarted | None = None
        self._steps: dict[str, StepStarted] = {}
        self._began: dict[str, float] = {}
        self._progress: dict[str, str] = {}
        self._output: dict[str, deque[str]] = {}
        self._live: Live | None = None

    def handle(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._run = event
            self._print(RichText(text.header(event), style="bold"))
        elif isinstance(event, StepStarted):
            self._steps[event.step] = event
            self._began[event.step] = time.monotonic()
            self._output[event.step] = deque(maxlen=text.TAIL)
            self._update()
        elif isinstance(event, StepOutput):
            if event.step in self._output:
                self._output[event.step].append(text.clean(event.line))
        elif isinstance(event, StepProgress):
            self._progress[event.step] = event.text
        elif isinstance(event, StepFinished):
            self._finished(event)
        elif isinstance(event, Notice):
            word = {"info": "", "warning": "warning: ", "error": "error: "}[event.level]
            self._print(RichText.assemble((word, _STYLES[event.level]), text.clean(event.text)), wrap=True)
        elif isinstance(event, Text):
            for line in event.text.splitlines():
                self._print(RichText(text.clean(line)))
        elif isinstance(event, Failure):
            self._failure(event)
        elif isinstance(event, RunFinished):
            self._stop()
            mark = self._mark(event.outcome)
            self._print(RichText.assemble(mark, " ", (text.footer(self._run, event), "bold")), wrap=True)

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        """The live lines. Called by rich from its refresh thread, and by every print."""
        now = time.monotonic()
        running = list(self._steps.values())
        for step in running[:_MOST_LIVE_LINES]:
            detail = self._progress.get(step.step, "")
            took = now - self._began.get(step.step, now)
            frame = _FRAMES[int(now * 10) % len(_FRAMES)]
            line = RichText.assemble((frame, "cyan"), " ", self._line(step, detail, took))
            line.no_wrap, line.overflow = True, "crop"
            yield line
        if len(running) > _MOST_LIVE_LINES:
            yield RichText(f"  and {len(running) - _MOST_LIVE_LINES} more", style="dim")

    def _finished(self, event: StepFinished) -> None:
        started = self._steps.pop(event.step, None)
        output = self._output.pop(event.step, None)
        self._began.pop(event.step, None)
        self._progress.pop(event.step, None)
        if started is None or output is None:
            return
        self._update()
        mark = self._mark(event.outcome)
        self._print(RichText.assemble(mark, " ", self._line(started, event.detail, event.seconds)))
        if event.outcome == "failed" and output:
            self._print(RichText("\n".join(f"    {line}" for line in output), style="dim"), wrap=True)

    def _line(self, step: StepStarted, detail: str, took: float) -> RichText:
        place = text.place(step.host, step.service)
        (title, where, words), time_ = text.step_cells(step.title, place, detail, took, self._console.width - 2)
        return RichText.assemble(title, (where, "cyan"), (words, "dim"), (time_, "dim"))

    def _mark(self, outcome: Outcome) -> tuple[str, str]:
        return text.Marks().of(outcome), _STYLES[outcome]

    def _failure(self, event: Failure) -> None:
        for label, line in text.failure(event, self._console.width):
            if label == "":
                self._print(RichText.assemble(self._mark("failed"), " ", (line, "bold")))
            elif label == "|":
                self._print(RichText(f"    {line}", style="dim"), wrap=True)
            else:
                self._print(RichText.assemble("  ", (f"{label:<6} ", "dim"), line))

    def _print(self, line: RichText, *, wrap: bool = False) -> None:
        self._console.print(line, no_wrap=not wrap, overflow="fold" if wrap else "ignore", crop=False)

    def _update(self) -> None:
        """The live region exists only while a step runs: whatever else prints finds an ordinary terminal."""
        if self._steps and self._live is None:
            self._live = Live(
                self,
                console=self._console,
                refresh_per_second=10,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        elif not self._steps:
            self._stop()

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()
