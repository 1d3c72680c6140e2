"""What CI systems make of a log: GitHub folds groups and marks files by annotations, GitLab folds sections."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from shiptasks.run.events import Failure, StepFinding
from shiptasks.run.findings import in_order
from shiptasks.run.text import one_line

_MOST = 10
"""Annotations of one level that GitHub shows for a step of a workflow; it drops the others."""
_FILE_LINE = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+)(?::(?P<column>\d+))?")


class Folds(Protocol):
    """How a CI system folds lines and marks errors."""

    def fold(self, name: str, title: str, lines: Iterable[str]) -> list[str]:
        """Lines that are folded away below a title; `name` is unique in the run."""

    def error(self, event: Failure) -> list[str]:
        """Lines that mark an error where the CI system shows errors."""

    def findings(self, findings: Sequence[StepFinding]) -> list[str]:
        """Lines that mark what was found at its place in a file."""

    def line(self, line: str) -> str:
        """A line that holds others' words, so that it gives the CI system no command."""


class GitHubFolds:
    """GitHub Actions: `::group::`, `::error file=…::`. What others wrote cannot give commands from inside a fold.

    `prefix` is where the folder of pyproject.toml is in the repository, such as `apps/shop/`: annotations name files
    from the top of it.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    def fold(self, name: str, title: str, lines: Iterable[str]) -> list[str]:
        del name
        token = secrets.token_hex(16)
        return [
            f"::group::{self.line(one_line(title))}",
            f"::stop-commands::{token}",
            *lines,
            f"::{token}::",
            "::endgroup::",
        ]

    def error(self, event: Failure) -> list[str]:
        match = _FILE_LINE.match(event.where)
        at = {"file": match["file"], "line": match["line"], "col": match["column"]} if match else {}
        parts = (event.what, event.now and f"now: {event.now}", event.hint and f"next: {event.hint}")
        return [self._command("error", at, "\n".join(part for part in parts if part))]

    def findings(self, findings: Sequence[StepFinding]) -> list[str]:
        lines = []
        # One error is kept for what the run as a whole says.
        for level, blocking, most in (("error", True, _MOST - 1), ("warning", False, _MOST)):
            found = in_order(each for each in findings if each.blocking is blocking)
            lines += [self._annotation(level, each) for each in found[:most]]
            if len(found) > most:
                lines.append(f"{len(found) - most:,} more are not marked in the files: GitHub shows {_MOST} {level}s")
        return lines

    def line(self, line: str) -> str:
        # `::command::` counts at the start of a line, the old `##[command]` anywhere in it.
        line = line.replace("##[", "## [")
        return f"| {line}" if line.lstrip().startswith("::") else line

    def _annotation(self, level: str, finding: StepFinding) -> str:
        at = {
            "file": self._prefix + finding.file if finding.file else "",
            "line": str(finding.line or ""),
            "col": str(finding.column or ""),
            "title": one_line(f"{finding.tool} {finding.rule}"),
        }
        return self._command(level, at, finding.message)

    def _command(self, level: str, properties: Mapping[str, str | None], message: str) -> str:
        told = ",".join(f"{key}={self._property(value)}" for key, value in properties.items() if value)
        return f"::{level}{' ' if told else ''}{told}::{self._data(message)}"

    @staticmethod
    def _data(value: str) -> str:
        return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    @classmethod
    def _property(cls, value: str) -> str:
        return cls._data(value).replace(":", "%3A").replace(",", "%2C")


class GitLabFolds:
    """GitLab CI: collapsed sections."""

    def fold(self, name: str, title: str, lines: Iterable[str]) -> list[str]:
        now = int(time.time())
        return [
            f"\x1b[0Ksection_start:{now}:{name}[collapsed=true]\r\x1b[0K{one_line(title)}",
            *lines,
            f"\x1b[0Ksection_end:{now}:{name}\r\x1b[0K",
        ]

    def error(self, event: Failure) -> list[str]:  # noqa: ARG002 - GitLab has no mark for errors in a log
        return []

    def findings(self, findings: Sequence[StepFinding]) -> list[str]:  # noqa: ARG002 - nor for findings
        return []

    def line(self, line: str) -> str:
        return line


def folds_of(environ: Mapping[str, str], prefix: str = "") -> Folds | None:
    """What the CI system that this runs in understands; None when it is none of those."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return GitHubFolds(prefix)
    if environ.get("GITLAB_CI") == "true":
        return GitLabFolds()
    return None
