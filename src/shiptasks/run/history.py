"""The runs that are kept: which there are, and what each told, read again from its run log."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shiptasks.errors import UsageError
from shiptasks.run import events
from shiptasks.run.events import Event
from shiptasks.run.lease import NAME as LEASE
from shiptasks.run.lease import is_dead
from shiptasks.run.results import Results, StepResult
from shiptasks.run.runlog import folders

_LOG = "events.jsonl"
_OUTPUT = '{"event": "StepOutput"'
_END = 65_536  # bytes at the end of a log in which its last event is
_KINDS = {
    each.__name__: (each, {field.name for field in dataclasses.fields(each)})
    for each in vars(events).values()
    if isinstance(each, type) and issubclass(each, Event)
}


@dataclass(frozen=True)
class Past:
    """A run that is kept. `outcome` is `running`, `killed` or `did not end` for one that has told no end.

    `at` is seconds since the epoch, 0 when the log does not say.
    """

    folder: Path
    at: float = 0.0
    task: str = ""
    project: str = ""
    environment: str = ""
    version: str = ""
    outcome: str = ""
    exit_code: int | None = None
    seconds: float | None = None
    summary: str = ""

    @property
    def id(self) -> str:
        return self.folder.name


def runs(state_dir: Path) -> list[Past]:
    """The runs that are kept, the last one first."""
    return sorted(map(_past, folders(state_dir)), key=_began, reverse=True)


def _began(past: Past) -> tuple[str, float]:
    """Ids tell the second; runs of one second are told apart by their first event."""
    return past.id.partition("-")[0], past.at


def find(state_dir: Path, prefix: str = "") -> Past:
    """The run whose id begins so; the last one when nothing is given.

    Raises UsageError when there is none, or more than one.
    """
    every = folders(state_dir)
    if not every:
        raise UsageError("no run is kept here yet", where=str(state_dir / "runs"), now="nothing was run")
    if not prefix:
        second = every[-1].name.partition("-")[0]
        return max((_past(folder) for folder in every if folder.name.startswith(second)), key=_began)
    found = [folder for folder in every if folder.name.startswith(prefix)]
    if not found:
        hint = "inv log lists the runs that are kept"
        raise UsageError(f"no run has an id that begins with {prefix!r}", now="nothing was run", hint=hint)
    if len(found) > 1:
        hint = f"give more of it: {', '.join(folder.name for folder in found[-5:])}"
        raise UsageError(f"{len(found)} runs have an id that begins with {prefix!r}", now="nothing was run", hint=hint)
    return _past(found[0])


def told(folder: Path, *, output: bool = True) -> Iterator[Event]:
    """The events of a run, in order; without those of output when that is not wanted. A broken line is left out."""
    for line in _lines(folder):
        if output or not line.startswith(_OUTPUT):
            event = _event(line)
            if event is not None:
                yield event


def results(folder: Path) -> Results:
    """What the steps of a run amount to, without their output."""
    gathered = Results(lines=0)
    for event in told(folder, output=False):
        gathered.handle(event)
    return gathered


def stages(found: Results, word: str) -> list[StepResult]:
    """The steps that a word of `--stage` means: an id, the beginning of one, or a kind. Raises UsageError for none."""
    steps = list(found.steps.values())
    chosen = [each for each in steps if each.id == word or each.id.startswith(f"{word}.") or each.started.stage == word]
    if not chosen:
        known = ", ".join(dict.fromkeys(each.id for each in steps))
        hint = f"its stages are: {known}" if known else "it has none"
        run = found.started.run_id if found.started else ""
        raise UsageError(f"that run has no stage {word!r}", where=run, now="nothing was run", hint=hint)
    return chosen


def output(folder: Path, step: str) -> Iterator[str]:
    """The lines that a step wrote, as they were."""
    marker = f'"step": {json.dumps(step)}'
    for line in _lines(folder):
        if line.startswith(_OUTPUT) and marker in line[:200]:
            event = _event(line)
            if isinstance(event, events.StepOutput) and event.step == step:
                yield event.line


def _past(folder: Path) -> Past:
    started, finished = _first_and_last(folder)
    past = Past(folder)
    if isinstance(started, events.RunStarted):
        past = Past(folder, started.at, started.task, started.project, started.environment, started.version)
    if isinstance(finished, events.RunFinished):
        return dataclasses.replace(
            past,
            outcome=finished.outcome,
            exit_code=finished.exit_code,
            seconds=finished.seconds,
            summary=finished.summary,
        )
    return dataclasses.replace(past, outcome=_unfinished(folder))


def _unfinished(folder: Path) -> str:
    lease = folder / LEASE
    if not lease.exists():  # only runs that may owe something have one
        return "did not end"
    return "killed" if is_dead(lease) else "running"


def _first_and_last(folder: Path) -> tuple[Event | None, Event | None]:
    try:
        with (folder / _LOG).open("rb") as file:
            first = file.readline()
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _END, 0))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    except OSError:
        return None, None
    return _event(first.decode("utf-8", "replace")), _event(last.decode("utf-8", "replace"))


def _lines(folder: Path) -> Iterable[str]:
    try:
        with (folder / _LOG).open(encoding="utf-8", errors="replace", newline="\n") as file:
            yield from file
    except FileNotFoundError:
        return


def _event(line: str) -> Event | None:
    """The event of a line of the log; None for what is none, or of a kind that this version does not know."""
    try:
        data: Any = json.loads(line)
        kind, names = _KINDS[data["event"]]
        return kind(**{name: _value(value) for name, value in data.items() if name in names})
    except (ValueError, TypeError, KeyError):
        return None


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
