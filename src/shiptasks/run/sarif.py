"""`findings.sarif`: what the tools of a run found, as SARIF 2.1.0, one run of SARIF for each tool.

GitHub takes files with at most 20 runs, shows 5,000 results of each, and tells runs apart by `automationDetails.id`.
It closes what it showed when the same run comes without it: so a tool that found nothing has its run, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shiptasks.plugins.protocols import Severity
from shiptasks.run.events import Event, RunFinished, StepFinding
from shiptasks.run.files import write_whole
from shiptasks.run.results import Results

NAME = "findings.sarif"
MOST_RUNS = 20
MOST_RESULTS = 5_000

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Mapping[Severity, str] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "note",
}
_ORDER: Sequence[Severity] = ("critical", "high", "medium", "low", "info")
_LONGEST_MESSAGE = 2_000
_OTHERS = "others"


class SarifFile:
    """Listener that writes `findings.sarif` into each of `folders` when the run ends.

    `prefix` is where the folder of pyproject.toml is in the repository, such as `apps/shop/`. `tools` are the names of
    the tools by the ids of their stages: what ended without a finding is told as clean.
    """

    def __init__(self, *folders: Path, prefix: str = "", tools: Mapping[str, str] | None = None) -> None:
        self._folders = folders
        self._prefix = prefix
        self._tools = dict(tools or {})
        self._results = Results(lines=0)

    def handle(self, event: Event) -> None:
        self._results.handle(event)
        if isinstance(event, RunFinished):
            told = json.dumps(self._document(), indent=1).encode()
            for folder in self._folders:
                write_whole(folder / NAME, told, mode=0o644)

    def handle_lines(self, step: str, lines: Sequence[str], stream: str, at: float) -> None:
        """Output is no matter of SARIF."""

    def _document(self) -> dict[str, Any]:
        ended = [each for each in self._results.steps.values() if each.outcome in ("ok", "warned", "cached")]
        clean = [self._tools[each.id] for each in ended if each.id in self._tools]
        return sarif(list(self._results.findings()), prefix=self._prefix, tools=clean)


def sarif(findings: Sequence[StepFinding], *, prefix: str = "", tools: Sequence[str] = ()) -> dict[str, Any]:
    """The findings as a SARIF log, with a run for each tool that has some, and for each of `tools`."""
    by_tool: dict[str, list[StepFinding]] = {tool: [] for tool in dict.fromkeys(tools)}
    for each in findings:
        by_tool.setdefault(each.tool, []).append(each)
    names = sorted(by_tool)
    if len(names) > MOST_RUNS:
        names, rest = names[: MOST_RUNS - 1], names[MOST_RUNS - 1 :]
        by_tool[_OTHERS] = [each for name in rest for each in by_tool[name]]
        names.append(_OTHERS)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [_run(name, by_tool[name], prefix) for name in names],
    }


def _run(tool: str, findings: Sequence[StepFinding], prefix: str) -> dict[str, Any]:
    worst_first = sorted(findings, key=lambda each: (_ORDER.index(each.severity), each.file, each.line, each.column))
    kept = worst_first[:MOST_RESULTS]
    rules = sorted({_rule(tool, each) for each in kept})
    index = {rule: number for number, rule in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {"driver": {"name": _text(tool), "rules": [{"id": rule} for rule in rules]}},
        "automationDetails": {"id": f"shiptasks/{_text(tool)}"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(tool, each, index, prefix) for each in kept],
    }
    if len(findings) > len(kept):
        run["properties"] = {"left out": len(findings) - len(kept)}
    return run


def _rule(tool: str, finding: StepFinding) -> str:
    # Where tools share a run, a rule says whose it is.
    name = finding.rule or finding.tool
    return _text(name if finding.tool == tool else f"{finding.tool}/{name}")


def _result(tool: str, finding: StepFinding, index: Mapping[str, int], prefix: str) -> dict[str, Any]:
    region = {"startLine": max(finding.line, 1)}
    if finding.line and finding.column:
        region["startColumn"] = finding.column
    rule = _rule(tool, finding)
    return {
        "ruleId": rule,
        "ruleIndex": index[rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": _text(finding.message)[:_LONGEST_MESSAGE] or rule},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": _uri(finding.file, prefix)}, "region": region}}
        ],
    }


def _uri(file: str, prefix: str) -> str:
    # A finding about no file is one about the configuration: GitHub wants a place for each.
    path = file or "pyproject.toml"
    absolute = path.startswith("/")
    encoded = quote((path if absolute else prefix + path).encode("utf-8", "surrogateescape"), safe="/")
    return f"file://{encoded}" if absolute else encoded


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
