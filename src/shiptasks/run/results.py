"""What became of the steps of a run, gathered from its events: what summaries, reports and the end of a run show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from shiptasks.run.events import (
    Event,
    Failure,
    Outcome,
    RunFinished,
    RunStarted,
    StepFinding,
    StepFinished,
    StepOutput,
    StepStarted,
)
from shiptasks.run.tail import LINES, Tail

_ONLY = re.compile(r"--only=(\S+)")


@dataclass
class StepResult:
    """A step: how it began and, once `outcome` is not None, how it ended. `output` has its last lines."""

    started: StepStarted
    output: Tail
    outcome: Outcome | None = None
    seconds: float = 0.0
    detail: str = ""
    findings: list[StepFinding] = field(default_factory=list)

    @property
    def id(self) -> str:
        """What `inv log --stage` and `inv check --only` call it: `lint.ruff`."""
        return id_of(self.started)

    @property
    def is_told_by_findings(self) -> bool:
        """Whether its findings say why it failed; why a test failed is in what it wrote."""
        return bool(self.blocking) and self.started.stage != "test"

    @property
    def blocking(self) -> list[StepFinding]:
        return [each for each in self.findings if each.blocking]


def id_of(step: StepStarted) -> str:
    """What its own command says (`inv check --only=bundles.web`), else the words of its title: `lint.ruff`."""
    named = _ONLY.search(step.alone)
    return named[1] if named else ".".join(step.title.split())


class Results:
    """A listener that keeps what the steps of a run amount to, and the output of those that run or have failed.

    `lines` is how many lines of such an output are kept at most; with 0 none. With `of_all` the output of those that
    have passed is kept as well, until it is forgotten.
    """

    def __init__(self, lines: int = LINES, *, of_all: bool = False) -> None:
        self._of_all = of_all
        self._tail = partial(Tail, lines)
        self._with_output = lines > 0
        self.started: RunStarted | None = None
        self.steps: dict[str, StepResult] = {}
        self.failure: Failure | None = None
        self.finished: RunFinished | None = None

    def handle(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.started = event
        elif isinstance(event, StepStarted):
            self.steps[event.step] = StepResult(event, self._tail())
        elif isinstance(event, StepOutput):
            self.handle_lines(event.step, (event.line,))
        elif isinstance(event, StepFinding):
            if event.step in self.steps:
                self.steps[event.step].findings.append(event)
        elif isinstance(event, StepFinished):
            self._finished(event)
        elif isinstance(event, Failure):
            self.failure = event
        elif isinstance(event, RunFinished):
            self.finished = event

    def handle_lines(self, step: str, lines: Sequence[str], stream: str = "", at: float = 0.0) -> None:
        del stream, at
        if self._with_output and step in self.steps:
            self.steps[step].output.extend(lines)

    def _finished(self, event: StepFinished) -> None:
        result = self.steps.get(event.step)
        if result is not None:
            result.outcome, result.seconds, result.detail = event.outcome, event.seconds, event.detail
            if event.outcome != "failed" and not self._of_all:
                self.forget_output(event.step)

    def running(self) -> list[StepResult]:
        """Steps that have not ended, in the order in which they began."""
        return [each for each in list(self.steps.values()) if each.outcome is None]

    def failed(self) -> list[StepResult]:
        """Steps that failed, in the order in which they began."""
        return [each for each in self.steps.values() if each.outcome == "failed"]

    def findings(self) -> Iterator[StepFinding]:
        """What all steps found, in the order in which they began."""
        for each in self.steps.values():
            yield from each.findings

    def forget_output(self, step: str) -> None:
        """Give the memory of a step's output back: nobody will ask for it."""
        if step in self.steps:
            self.steps[step].output = self._tail()
