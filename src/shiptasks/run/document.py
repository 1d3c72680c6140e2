"""The one JSON document that a task prints with `--format=json`: the same keys whatever happens (docs/exit-codes.md).

A key that is removed or changes its meaning raises SCHEMA; one that is added does not.
"""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from shiptasks.run.events import Failure, Outcome

SCHEMA = 1


def document(
    task: str,
    result: Any,
    *,
    outcome: Outcome = "ok",
    exit_code: int = 0,
    failure: Failure | None = None,
    run: str | None = None,
    project: str | None = None,
    environment: str | None = None,
    version: str | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """`result` is what the task found, as plain data. What is not known, because no run began, is None."""
    return {
        "schema": SCHEMA,
        "run": run,
        "task": task,
        "project": project,
        "environment": environment,
        "version": version,
        "outcome": outcome,
        "exit_code": exit_code,
        "seconds": None if seconds is None else round(seconds, 3),
        "result": result,
        "error": None if failure is None else _error(failure),
    }


def write(document: dict[str, Any], stdout: TextIO | None = None) -> None:
    """Write the document to stdout."""
    stream = stdout or sys.stdout
    stream.write(json.dumps(document, indent=2, ensure_ascii=True, default=str) + "\n")
    stream.flush()


def _error(failure: Failure) -> dict[str, Any]:
    return {
        "what": failure.what,
        "where": failure.where,
        "now": failure.now,
        "next": failure.hint,
        "details": list(failure.details),
    }
