"""What hadolint, where it is installed, says of Dockerfiles: its errors and warnings, as findings of the policy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shiptasks.errors import Failed
from shiptasks.plugins.protocols import Finding, Severity

TOOL = "hadolint"
SAID_BY_US = frozenset({"DL3002", "DL3006", "DL3007", "DL3057"})
"""Its rules for what the policy's own rules look at: root, `latest`, HEALTHCHECK."""

_NOT_READ = "DL1000"  # it cannot read the file; the builder can, or says what is wrong
_SEVERITIES: Mapping[str, Severity] = {"error": "high", "warning": "medium"}
_TIMEOUT = 30  # seconds


def findings(root: Path, files: Sequence[str]) -> tuple[Finding, ...]:
    """What it finds in files below `root`; nothing where it is not installed. Raises Failed when it does not work."""
    from shiptasks.run.process import run

    if not files or shutil.which(TOOL) is None:
        return ()
    result = run([TOOL, "--format", "json", "--no-fail", "--", *files], cwd=root, check=False, timeout=_TIMEOUT)
    if not result.ok:
        raise Failed("hadolint could not look at the Dockerfiles", details=result.tail(5))
    return read(result.stdout)


def read(report: str) -> tuple[Finding, ...]:
    """The findings in its JSON report. Raises Failed when it is none."""
    try:
        found = tuple(_finding(each) for each in json.loads(report) if _counts(each))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise Failed("the report of hadolint cannot be read", details=(report[:200],)) from None
    return found


def _counts(entry: Mapping[str, Any]) -> bool:
    return entry["level"] in _SEVERITIES and entry["code"] not in (*SAID_BY_US, _NOT_READ)


def _finding(entry: Mapping[str, Any]) -> Finding:
    return Finding(
        file=str(entry["file"]),
        line=int(entry["line"]),
        rule=str(entry["code"]),
        message=" ".join(str(entry["message"]).split()),
        severity=_SEVERITIES[entry["level"]],
        column=int(entry["column"]),
    )
