"""`junit.xml`: the stages of a run as CI systems show tests, a suite for each kind and a case for each stage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as Xml

from shiptasks.run.events import Event, RunFinished
from shiptasks.run.files import write_whole
from shiptasks.run.findings import in_order, place
from shiptasks.run.results import Results, StepResult
from shiptasks.run.text import clean

NAME = "junit.xml"
_LINES = 200  # of a failed stage's output
_FINDINGS = 200
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class JUnitFile:
    """Listener that writes `junit.xml` into each of `folders` when the run ends."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._results = Results(lines=_LINES)

    def handle(self, event: Event) -> None:
        self._results.handle(event)
        if isinstance(event, RunFinished):
            told = junit(self._results)
            for folder in self._folders:
                write_whole(folder / NAME, told, mode=0o644)

    def handle_lines(self, step: str, lines: Sequence[str], stream: str, at: float) -> None:
        self._results.handle_lines(step, lines, stream, at)


def junit(results: Results) -> bytes:
    """The steps of a run as JUnit XML."""
    task = results.started.task if results.started else "run"
    root = Xml.Element("testsuites", name=_safe(task))
    steps = sorted(results.steps.values(), key=lambda each: each.started.stage or task)
    for kind, group in groupby(steps, key=lambda each: each.started.stage or task):
        of_kind = list(group)
        outcomes = [each.outcome for each in of_kind]
        suite = Xml.SubElement(
            root,
            "testsuite",
            name=_safe(kind),
            tests=str(len(of_kind)),
            failures=str(outcomes.count("failed")),
            errors=str(outcomes.count("interrupted") + outcomes.count(None)),
            skipped=str(outcomes.count("skipped")),
            time=f"{sum(each.seconds for each in of_kind):.3f}",
        )
        for each in of_kind:
            _case(suite, each, kind)
    Xml.indent(root)
    told: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return told + b"\n"


def _case(suite: Xml.Element, step: StepResult, kind: str) -> None:
    case = Xml.SubElement(suite, "testcase", classname=_safe(kind), name=_safe(step.id), time=f"{step.seconds:.3f}")
    detail = _safe(clean(step.detail))
    if step.outcome == "failed":
        Xml.SubElement(case, "failure", message=detail).text = _safe("\n".join(_why(step)))
    elif step.outcome == "skipped":
        Xml.SubElement(case, "skipped", message=detail)
    elif step.outcome in ("interrupted", None):
        Xml.SubElement(case, "error", message=detail or "it did not end")
    elif detail:
        word = "" if step.outcome == "ok" else f"{step.outcome}: "
        Xml.SubElement(case, "system-out").text = word + detail


def _why(step: StepResult) -> list[str]:
    found = in_order(step.blocking)
    lines = [f"{place(each)}: {each.severity}: {each.tool} {each.rule}: {clean(each.message)}" for each in found]
    if len(lines) > _FINDINGS:
        lines = [*lines[:_FINDINGS], f"and {len(lines) - _FINDINGS:,} more"]
    if not step.is_told_by_findings:
        lines += [clean(line) for line in step.output.lines()]
    return lines


def _safe(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
