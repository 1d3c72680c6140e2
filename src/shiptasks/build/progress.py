"""Turns what bake writes into steps of the event bus, one a service, and keeps what is needed to explain a failure."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from shiptasks.build.bakelog import Log, Record, Vertex
from shiptasks.run.events import Bus, Outcome, StepHandle

STAGE = "build"
_PREFIX = re.compile(r"\[([a-z0-9-]+)(?: ([^\]]*))?\] (.*)", re.DOTALL)
_INSTRUCTION = re.compile(r"\[(?:\S+ )?(\d+)/(\d+)\] (.*)", re.DOTALL)
_CANCELLED = re.compile(r"context canceled|^canceled$", re.IGNORECASE)
_KEPT_LINES = 40


@dataclass(frozen=True)
class Failing:
    """The unit of work that failed: what it was, why, and the last lines that it wrote."""

    service: str
    name: str
    error: str
    lines: tuple[str, ...]


@dataclass
class Progress:
    """How the image of one service comes along: instructions of its Dockerfile, without `FROM`."""

    handle: StepHandle
    ends: ExitStack
    began: float
    seconds: float = 0.0
    open: bool = True
    seen: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)


class Tracker:
    """Takes records in order, tells them as steps of the bus. `texts` are the lines that bake wrote for people.

    With `early` a service's step ends when its image is exported, else when the whole bake ends: a push goes on
    after the export.
    """

    def __init__(self, bus: Bus, services: Sequence[str], *, early: bool) -> None:
        self._early = early
        self._services = tuple(services)
        self._users: dict[str, set[str]] = {}
        self._lines: dict[str, deque[str]] = {}
        self._partial: dict[str, Log] = {}
        self._failed: dict[str, Failing] = {}
        self._progress: dict[str, Progress] = {}
        self.texts: list[str] = []
        for service in self._services:
            ends = ExitStack()
            handle = ends.enter_context(bus.step("build", stage=STAGE, service=service))
            self._progress[service] = Progress(handle, ends, time.monotonic())

    def take(self, record: Record) -> None:
        if isinstance(record, Vertex):
            self._vertex(record)
        elif isinstance(record, Log):
            self._log(record)
        else:
            self.texts.append(record.line)

    def failing(self) -> Failing | None:
        """The first unit that failed by itself; None when nothing did, or bake failed without saying where."""
        return next(iter(self._failed.values()), None)

    def close(self, outcome: Outcome, failed: str = "") -> None:
        """End the steps that are still open: `failed` names the service that is at fault."""
        for service, progress in self._progress.items():
            if not progress.open:
                continue
            if failed and service != failed:
                progress.handle.detail = f"stopped: {failed} failed"
                self._end(progress, "interrupted")
                continue
            if outcome == "failed":
                for line in self.texts:
                    progress.handle.output(line, "stderr")
            self._end(progress, outcome)

    def summary(self, service: str) -> tuple[float, int, int]:
        """Seconds, cached instructions and instructions of a service."""
        progress = self._progress[service]
        return progress.seconds, len(progress.cached), len(progress.done)

    def _vertex(self, vertex: Vertex) -> None:
        service, name = self._whose(vertex.name)
        if service is None:
            return
        self._users.setdefault(vertex.id, set()).add(service)
        progress = self._progress[service]
        if vertex.started and vertex.id not in progress.seen:
            progress.seen.add(vertex.id)
            self._announce(progress, name)
        if not vertex.completed:
            return
        self._flush(vertex.id)
        if vertex.error:
            self._error(vertex, service, name)
        else:
            self._completed(vertex, progress, name)

    def _announce(self, progress: Progress, name: str) -> None:
        if not progress.open:
            return
        match = _INSTRUCTION.fullmatch(name)
        if match:
            progress.handle.output(name)
            progress.handle.progress(f"{match[1]}/{match[2]} {_short(match[3])}")
        elif name.startswith(("exporting", "pushing")):
            progress.handle.progress(_short(name))

    def _completed(self, vertex: Vertex, progress: Progress, name: str) -> None:
        match = _INSTRUCTION.fullmatch(name)
        if match and not match[3].startswith("FROM "):
            progress.done.add(vertex.id)
            if vertex.cached:
                progress.cached.add(vertex.id)
        elif name.startswith("exporting to ") and self._early:
            self._end(progress, "ok")

    def _error(self, vertex: Vertex, service: str, name: str) -> None:
        if _CANCELLED.search(vertex.error) or name.startswith(("importing cache", "exporting cache")):
            return
        lines = tuple(self._lines.get(vertex.id, ()))
        self._failed.setdefault(service, Failing(service, name, vertex.error, lines))

    def _log(self, log: Log) -> None:
        before = self._partial.pop(log.vertex, None)
        text = (before.text if before else "") + log.text
        *whole, rest = text.split("\n")
        for line in whole:
            self._line(log.vertex, line, log)
        if rest:
            self._partial[log.vertex] = Log(log.vertex, rest, log.stream)

    def _flush(self, vertex: str) -> None:
        rest = self._partial.pop(vertex, None)
        if rest:
            self._line(vertex, rest.text, rest)

    def _line(self, vertex: str, line: str, log: Log) -> None:
        line = line.rstrip("\r").rpartition("\r")[2]
        self._lines.setdefault(vertex, deque(maxlen=_KEPT_LINES)).append(line)
        for service in sorted(self._users.get(vertex, ())):
            if self._progress[service].open:
                self._progress[service].handle.output(line, log.stream)

    def _whose(self, name: str) -> tuple[str | None, str]:
        """The service of a vertex, and its name without it; bake leaves the service out when there is only one."""
        if len(self._services) == 1:
            return self._services[0], name
        match = _PREFIX.fullmatch(name)
        if match is None or match[1] not in self._services:
            return None, name
        return match[1], f"[{match[2]}] {match[3]}" if match[2] else match[3]

    def _end(self, progress: Progress, outcome: Outcome) -> None:
        if not progress.open:
            return
        progress.open = False
        progress.seconds = time.monotonic() - progress.began
        if outcome == "ok":
            progress.handle.detail = _cached(len(progress.cached), len(progress.done))
        progress.handle.outcome = outcome
        progress.ends.close()


def _cached(cached: int, total: int) -> str:
    if not total:
        return ""
    return "all steps cached" if cached == total else f"{cached} of {total} steps cached, {cached * 100 // total} %"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
