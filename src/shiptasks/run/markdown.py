"""The summary of a run in Markdown, as GitHub Actions shows it above the log of a job (GITHUB_STEP_SUMMARY)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from shiptasks.run import text
from shiptasks.run.events import Event, RunFinished, StepFinding
from shiptasks.run.findings import MOST, in_order, place
from shiptasks.run.results import Results, StepResult

LIMIT = 1_048_576
"""Bytes that GitHub takes for a step of a workflow; it shows nothing of a longer one."""

_CUT = "\n\nThe rest is left out: a summary has at most 1 MiB. The log of the job has all.\n"
_SPECIAL = re.compile(r"[&<>`*_\[\]\\|~$@#]")
_LONGEST_LINE = 2_000
_SIGNS = {"ok": "✅", "failed": "❌", "skipped": "➖", "warned": "⚠️", "interrupted": "🛑", "cached": "✅"}


class StepSummary:
    """Listener that appends the summary of the run to a file when it ends; nothing for one without steps."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results = Results(lines=text.TAIL)

    def handle(self, event: Event) -> None:
        self._results.handle(event)
        if isinstance(event, RunFinished) and self._results.steps:
            there = self._path.stat().st_size if self._path.exists() else 0
            told = markdown(self._results, LIMIT - there)
            with self._path.open("ab") as stream:
                stream.write(told)

    def handle_lines(self, step: str, lines: Sequence[str], stream: str, at: float) -> None:
        self._results.handle_lines(step, lines, stream, at)


def summary_of_step(environ: Mapping[str, str]) -> tuple[StepSummary, ...]:
    """The listener for the file that GitHub Actions gives; none elsewhere."""
    path = environ.get("GITHUB_STEP_SUMMARY", "")
    return (StepSummary(Path(path)),) if path and environ.get("GITHUB_ACTIONS") == "true" else ()


def markdown(results: Results, limit: int = LIMIT) -> bytes:
    """The run in Markdown, in at most `limit` bytes: its steps, what was found, the last words of what failed."""
    parts = [_head(results), *_steps(results), *_findings(list(results.findings()))]
    parts += [part for each in results.failed() for part in _output(each)]
    told, room = b"", limit - len(_CUT.encode())
    for part in parts:
        data = part.encode("utf-8", "replace")
        if len(told) + len(data) > room:
            return told + _CUT.encode() if room > 0 else b""
        told += data
    return told


def _head(results: Results) -> str:
    title = text.header(results.started) if results.started else "run"
    lines = [f"\n### {escaped(title)}\n"]
    if results.finished:
        lines.append(f"\n{escaped(text.footer(results.started, results.finished))}\n")
    if results.failure:
        hint = f"\nNext: {escaped(results.failure.hint)}\n" if results.failure.hint else ""
        lines.append(f"\n**{escaped(results.failure.what)}**\n{hint}")
    return "".join(lines)


def _steps(results: Results) -> list[str]:
    rows = ["\n|   | Stage | Time | Result |\n|---|---|---:|---|\n"]
    for each in results.steps.values():
        where = text.place(each.started.host, each.started.service)
        name = f"{each.started.title} {where}".strip()
        outcome = each.outcome or "interrupted"
        detail = each.detail if outcome == "ok" else f"{outcome}: {each.detail}" if each.detail else outcome
        time_ = "" if each.outcome is None else text.seconds(each.seconds)
        rows.append(f"| {_SIGNS[outcome]} | {escaped(name)} | {time_} | {escaped(detail)} |\n")
    return rows


def _findings(findings: Sequence[StepFinding]) -> list[str]:
    if not findings:
        return []
    worst_first = [*in_order(f for f in findings if f.blocking), *in_order(f for f in findings if not f.blocking)]
    rows = [f"\n#### Findings: {len(findings):,}\n\n| Place | Severity | Rule | Message |\n|---|---|---|---|\n"]
    for each in worst_first[:MOST]:
        severity = each.severity if each.blocking else f"{each.severity}, not blocking"
        cells = (place(each), severity, f"{each.tool} {each.rule}", each.message)
        rows.append(f"| {' | '.join(map(escaped, cells))} |\n")
    if len(findings) > MOST:
        rows.append(f"\nand {len(findings) - MOST:,} more\n")
    return rows


def _output(step: StepResult) -> list[str]:
    lines = [text.clean(line)[:_LONGEST_LINE] for line in step.output.lines(text.TAIL)]
    if not lines or step.is_told_by_findings:
        return []
    # No run of backticks in the output is as long as the fence: it cannot end it.
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    body = "\n".join(lines)
    alone = f"\nAlone: {escaped(step.started.alone)}\n" if step.started.alone else ""
    return [
        f"\n<details><summary>{escaped(step.started.title)}: the last lines of its output</summary>\n\n"
        f"{fence}text\n{body}\n{fence}\n{alone}\n</details>\n"
    ]


def escaped(value: str) -> str:
    """The text in one line, with nothing in it that Markdown or HTML would read as its own."""
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", text.one_line(value)[:_LONGEST_LINE])
