"""What the two listeners that people read have in common: which lines there are, and in which order.

`Console` draws them on a terminal, `Plain` writes them into a log.
"""

from __future__ import annotations

from collections.abc import Sequence

from shiptasks.run import text
from shiptasks.run.ending import Section, sections
from shiptasks.run.events import (
    Event,
    Failure,
    Notice,
    RunFinished,
    RunStarted,
    StepFinished,
    StepOutput,
    StepProgress,
    StepStarted,
    Text,
)
from shiptasks.run.results import Results, StepResult
from shiptasks.run.text import Line

_WORDS = {"info": "", "warning": "warning: ", "error": "error: "}
_LEVELS = {"info": "", "warning": "warned", "error": "failed"}


class People:
    """Base of those listeners. With `quiet` only failures, what was asked for and the last line are told; with
    `verbose` every line of output as it comes, and findings that fail nothing."""

    def __init__(self, marks: text.Marks, *, quiet: bool = False, verbose: bool = False) -> None:
        self.marks = marks
        self.quiet = quiet
        self.verbose = verbose
        self.results = Results(of_all=True)
        self._has_ended = False

    def columns(self) -> int:
        """How wide a line may be."""
        raise NotImplementedError

    def write(self, *lines: Line, at: float | None = None) -> None:
        """Lines for people. `at`: they tell what happened then, and have that time where lines have times."""
        raise NotImplementedError

    def write_output(self, step: StepResult | None, lines: Sequence[str], indent: str = "") -> None:
        """Lines that a step's process wrote, clean."""
        raise NotImplementedError

    def began(self, event: StepStarted) -> None:
        """A step runs."""

    def progress(self, event: StepProgress) -> None:
        """How a running step is doing."""

    def ended(self, step: StepResult) -> None:
        """A step has ended, and its line is written."""

    def finished(self) -> None:
        """The run is over."""

    def handle(self, event: Event) -> None:
        self.results.handle(event)
        if isinstance(event, RunStarted):
            if not self.quiet:
                self.write(((text.header(event), "bold"),), at=event.at)
        elif isinstance(event, StepStarted):
            self.began(event)
        elif isinstance(event, StepOutput):
            self._told(event.step, (event.line,))
        elif isinstance(event, StepProgress):
            self.progress(event)
        elif isinstance(event, StepFinished):
            if event.step in self.results.steps:
                self._ended(self.results.steps[event.step], event.at)
        elif isinstance(event, Notice):
            if not self.quiet or event.level == "error":
                word = (_WORDS[event.level], _LEVELS[event.level])
                self.write((word, (text.clean(event.text), "")), at=event.at)
        elif isinstance(event, Text):
            self.write(*(((text.clean(line), ""),) for line in event.text.splitlines()))
        elif isinstance(event, Failure):
            self._tell_end()
            self.failure(event)
        elif isinstance(event, RunFinished):
            self._tell_end()
            self.finished()
            mark = (self.marks.of(event.outcome), event.outcome)
            self.write((mark, (" ", ""), (text.footer(self.results.started, event), "bold")), at=event.at)

    def handle_lines(self, step: str, lines: Sequence[str], stream: str = "", at: float = 0.0) -> None:
        self.results.handle_lines(step, lines, stream, at)
        self._told(step, lines)

    def failure(self, event: Failure) -> None:
        """An error: what happened, where, what is true now, what to type."""
        mark = self.marks.failed
        for label, line in text.failure(event, self.columns()):
            if label == "":
                self.write(((mark, "failed"), (" ", ""), (line, "bold")))
                mark = " " * text.width(mark)
            elif label == "|":
                self.write_output(None, [line], indent="    ")
            else:
                self.write((("  ", ""), (f"{label:<6} ", "dim"), (line, "")))

    def step_line(self, step: StepResult, columns: int) -> Line:
        """The line of a step that has ended."""
        where = text.place(step.started.host, step.started.service)
        mark = (self.marks.of(step.outcome or "ok"), step.outcome or "")
        return text.step_line(mark, step.started.title, where, step.detail, step.seconds, columns, self.marks.ellipsis)

    def _told(self, step: str, lines: Sequence[str]) -> None:
        if self.verbose and step in self.results.steps:
            self.write_output(self.results.steps[step], [text.clean(line) for line in lines])

    def _ended(self, step: StepResult, at: float) -> None:
        has_failed = step.outcome == "failed"
        if has_failed or not self.quiet:
            self.write(self.step_line(step, self.columns()), at=at)
        self.ended(step)
        if has_failed and not step.started.alone and not self.verbose:
            self.write_output(None, [text.clean(line) for line in step.output.lines(text.TAIL)], indent="    ")
        if not (has_failed and step.started.alone):
            self.results.forget_output(step.started.step)

    def _tell_end(self) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        for section in sections(self.results, self.columns(), self.marks, verbose=self.verbose):
            if section.alone or not self.quiet:
                self.section(section)

    def section(self, section: Section) -> None:
        """A part of the end: its title across, its lines, what to type."""
        if section.title:
            self.write(((text.rule(section.title, self.columns(), self.marks.rule), "bold"),))
        self.write(*section.lines)
        if section.output:
            self.write_output(None, section.output)
        for number, command in enumerate(section.alone):
            self.write((("  ", ""), ("alone  " if number == 0 else "       ", "dim"), (command, "")))
