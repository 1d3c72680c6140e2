"""Output on a terminal: live lines for the steps that run, one line for each that ended, details only for failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.console import Console as RichConsole
from rich.text import Text as RichText

from shiptasks.run import text
from shiptasks.run.events import Event, StepProgress, StepStarted
from shiptasks.run.people import People
from shiptasks.run.region import Region
from shiptasks.run.results import StepResult
from shiptasks.run.text import Line

_STYLES: Mapping[str, str] = {
    "ok": "green",
    "failed": "bold red",
    "skipped": "dim",
    "warned": "yellow",
    "interrupted": "yellow",
    "cached": "dim",
    "running": "cyan",
    "where": "cyan",
    "dim": "dim",
    "bold": "bold",
}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES = "|/-\\"
_INTERVAL = 0.1  # seconds between two drawings
_MOST_LIVE_LINES = 12  # a fleet has more steps than a screen has lines


class Console(People):
    """Listener for a terminal, which is `columns` wide when that is given. With `no_color` there is none."""

    def __init__(
        self,
        stream: TextIO,
        *,
        columns: int | None = None,
        no_color: bool | None = None,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        super().__init__(text.marks_for(stream.encoding, _FRAMES), quiet=quiet, verbose=verbose)
        self._frames = _FRAMES if self.marks is not text.ASCII else _ASCII_FRAMES
        self._stream = stream
        self._console = RichConsole(
            file=stream, width=columns, no_color=no_color, highlight=False, markup=False, emoji=False
        )
        self._region = Region(self._put, self.columns)
        self._began: dict[str, float] = {}
        self._words: dict[str, str] = {}
        self._has_progress: set[str] = set()
        self._lock = threading.RLock()
        self._stop: threading.Event | None = None

    def columns(self) -> int:
        return self._console.width

    def handle(self, event: Event) -> None:
        with self._lock:
            super().handle(event)

    def handle_lines(self, step: str, lines: Sequence[str], stream: str = "", at: float = 0.0) -> None:
        with self._lock:
            last = next((line for line in reversed(lines) if line.strip()), "")
            if last and step not in self._has_progress:
                self._words[step] = last
            super().handle_lines(step, lines, stream, at)

    def began(self, event: StepStarted) -> None:
        self._began[event.step] = time.monotonic()
        if self._stop is None and not self.quiet:
            self._stop = threading.Event()
            threading.Thread(target=self._refresh, args=(self._stop,), name="terminal", daemon=True).start()

    def progress(self, event: StepProgress) -> None:
        self._has_progress.add(event.step)
        self._words[event.step] = event.text

    def ended(self, step: StepResult) -> None:
        self._began.pop(step.started.step, None)
        self._words.pop(step.started.step, None)
        if not self._began:
            self.finished()

    def finished(self) -> None:
        """The region exists only while a step runs: whatever else prints finds an ordinary terminal."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None
        self._region.draw(())

    def _refresh(self, stop: threading.Event) -> None:
        while not stop.wait(_INTERVAL):
            with self._lock:
                if stop.is_set():
                    return
                try:
                    self._region.draw(self.live_lines())
                except (OSError, ValueError):  # the terminal is gone: who writes next is told
                    return

    def live_lines(self) -> list[tuple[str, int]]:
        """The lines of the steps that run, each with its width."""
        now = time.monotonic()
        columns, rows = self.columns() - 1, self._console.height - 2
        running = [each for each in self.results.running() if each.started.step in self._began]
        most = max(min(_MOST_LIVE_LINES, rows), 1)
        if len(running) > most:
            most = max(most - 1, 1)
        lines = [self._live_line(each, now, columns) for each in running[:most]]
        if len(running) > most:
            lines.append(((text.truncate(f"  and {len(running) - most} more", columns), "dim"),))
        return [(self._styled(line), sum(text.width(part) for part, _ in line)) for line in lines]

    def _live_line(self, step: StepResult, now: float, columns: int) -> Line:
        name = step.started.step
        where = text.place(step.started.host, step.started.service)
        mark = (self._frames[int(now * 10) % len(self._frames)], "running")
        words, took = self._words.get(name, ""), now - self._began[name]
        return text.step_line(mark, step.started.title, where, words, took, columns, self.marks.ellipsis)

    def write(self, *lines: Line, at: float | None = None) -> None:
        del at
        self._above("".join(self._styled(line) + "\n" for line in lines))

    def write_output(self, step: StepResult | None, lines: Sequence[str], indent: str = "") -> None:
        # Not by way of rich: these may be many, and a terminal breaks long lines as people copy them.
        front = self._styled(((f"{text.one_line(step.started.title)}  ", "where"),)) if step is not None else indent
        self._above("".join(f"{front}{line}\n" for line in lines))

    def _above(self, told: str) -> None:
        lines = self.live_lines() if self._stop is not None else ()
        self._region.draw(lines, above=told)

    def _styled(self, line: Line) -> str:
        parts = RichText.assemble(*((part, _STYLES.get(style, "")) for part, style in line))
        with self._console.capture() as capture:
            self._console.print(parts, no_wrap=True, overflow="ignore", crop=False, end="")
        return capture.get()

    def _put(self, told: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(told.encode(encoding, "replace").decode(encoding))
        self._stream.flush()
