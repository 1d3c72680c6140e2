"""`summary.json`: what became of a run and of each of its steps, for programs. Written when the run ends, however."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shiptasks.run.events import Event, RunFinished, StepFinding
from shiptasks.run.files import write_whole
from shiptasks.run.results import Results, StepResult

NAME = "summary.json"
SCHEMA = 1
"""Grows when a key goes or changes its meaning, not when one is added."""


class SummaryFile:
    """Listener that writes `summary.json` into the run's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._results = Results(lines=0)

    def handle(self, event: Event) -> None:
        self._results.handle(event)
        if isinstance(event, RunFinished):
            told = json.dumps(summary(self._results), indent=2) + "\n"
            write_whole(self._path, told.encode())

    def handle_lines(self, step: str, lines: Sequence[str], stream: str, at: float) -> None:
        """Output is in the run log."""


def summary(results: Results) -> dict[str, Any]:
    """The run as plain data. `outcome` and `exit_code` are None for one that has not ended."""
    started, finished, failure = results.started, results.finished, results.failure
    return {
        "schema": SCHEMA,
        "run": started.run_id if started else None,
        "task": started.task if started else None,
        "project": started.project if started else None,
        "environment": (started.environment or None) if started else None,
        "version": (started.version or None) if started else None,
        "outcome": finished.outcome if finished else None,
        "exit_code": finished.exit_code if finished else None,
        "started": round(started.at, 3) if started else None,
        "finished": round(finished.at, 3) if finished else None,
        "seconds": round(finished.seconds, 3) if finished else None,
        "summary": finished.summary if finished else "",
        "error": {"what": failure.what, "where": failure.where, "now": failure.now, "next": failure.hint}
        if failure
        else None,
        "steps": [step_data(each) for each in results.steps.values()],
    }


def step_data(step: StepResult) -> dict[str, Any]:
    """A step as plain data. `outcome` is None for one that has not ended."""
    started = step.started
    return {
        "id": step.id,
        "title": started.title,
        "stage": started.stage or None,
        "host": started.host or None,
        "service": started.service or None,
        "outcome": step.outcome,
        "started": round(started.at, 3),
        "seconds": None if step.outcome is None else round(step.seconds, 3),
        "detail": step.detail,
        "alone": started.alone or None,
        "findings": [finding_data(each) for each in step.findings],
    }


def finding_data(finding: StepFinding) -> dict[str, Any]:
    """A finding as plain data; `line` and `column` are None where there is none."""
    return {
        "tool": finding.tool,
        "file": finding.file,
        "line": finding.line or None,
        "column": finding.column or None,
        "rule": finding.rule,
        "message": finding.message,
        "severity": finding.severity,
        "blocking": finding.blocking,
    }
