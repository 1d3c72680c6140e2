"""The findings of all tools in one table, as people read it on a terminal and in a CI log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from shiptasks.run.events import StepFinding
from shiptasks.run.text import Line, Marks, one_line, pad, shorten_middle, truncate, width, wrapped

MOST = 50
"""Findings that are shown; the others are counted."""

_STYLES = {"critical": "failed", "high": "failed", "medium": "warned"}
_LEAST_MESSAGE = 28  # columns for the message; with fewer it gets lines of its own
_MOST_LINES = 4  # of one message
_GAP = 2


def in_order(findings: Iterable[StepFinding]) -> list[StepFinding]:
    """The findings by file and line."""
    return sorted(findings, key=lambda each: (each.file, each.line, each.column, each.tool, each.rule, each.message))


def place(finding: StepFinding) -> str:
    """`api/app.py:12:5`, as editors and terminals open it."""
    numbers = (finding.line, finding.column) if finding.column else (finding.line,)
    return one_line(finding.file) + "".join(f":{number}" for number in numbers if finding.line)


def table(findings: Sequence[StepFinding], columns: int, marks: Marks = Marks(), most: int = MOST) -> list[Line]:  # noqa: B008 - it is frozen
    """The first `most` findings by file and line: where, how bad, which tool and rule, what. Fits into `columns`."""
    shown = list(islice(in_order(findings), most))
    rows = [(place(each), each.severity, f"{one_line(each.tool)} {one_line(each.rule)}".strip()) for each in shown]
    if not rows:
        return []
    longest = max(width(row[0]) for row in rows)
    worst = max(len(row[1]) for row in rows)
    rule = max(width(row[2]) for row in rows)
    at = min(longest, max(columns * 2 // 5, 20))
    room = columns - sum(part + _GAP for part in (0, at, worst, rule))
    lines: list[Line] = []
    for finding, row in zip(shown, rows, strict=True):
        if room >= _LEAST_MESSAGE:
            lines += _beside(finding, row, (at, worst, rule), room, marks)
        else:
            lines += _below(finding, row, min(longest, columns), columns, marks)
    return lines


def counted(findings: Sequence[StepFinding]) -> str:
    """`7 (ruff 5, mypy 2)`."""
    tools = Counter(one_line(each.tool) for each in findings)
    return f"{len(findings):,} ({', '.join(f'{tool} {count:,}' for tool, count in tools.most_common())})"


def _beside(
    finding: StepFinding, row: tuple[str, str, str], widths: tuple[int, int, int], room: int, marks: Marks
) -> list[Line]:
    at, worst, rule = widths
    first, *rest = _message(finding, room, marks)
    head: Line = (
        ("  ", ""),
        (pad(shorten_middle(row[0], at, marks.ellipsis), at + _GAP), "where"),
        (pad(row[1], worst + _GAP), _STYLES.get(row[1], "dim")),
        (pad(row[2], rule + _GAP), "dim"),
        (first, ""),
    )
    indent = " " * sum(part + _GAP for part in (0, *widths))
    return [head, *(((indent, ""), (line, "")) for line in rest)]


def _below(finding: StepFinding, row: tuple[str, str, str], longest: int, columns: int, marks: Marks) -> list[Line]:
    """The message below the place, for a narrow screen."""
    at = max(min(longest, columns - _GAP * 3 - len(row[1]) - width(row[2])), min(longest, columns // 2), 4)
    severity = f"{row[1]}  "
    room = columns - _GAP * 2 - at - len(severity)
    where = shorten_middle(row[0], at, marks.ellipsis)
    head: Line = ((f"  {pad(where, at + _GAP)}", "where"), (severity, _STYLES.get(row[1], "dim")))
    if room < 0:
        head = ((f"  {shorten_middle(row[0], max(columns - _GAP, 4), marks.ellipsis)}", "where"),)
    rule = truncate(row[2], room, marks.ellipsis) if room > len(marks.ellipsis) + 2 else ""
    lines = _message(finding, max(columns - 6, 8), marks)
    return [(*head, (rule, "dim")), *((("      ", ""), (line, "")) for line in lines)]


def _message(finding: StepFinding, columns: int, marks: Marks) -> list[str]:
    lines = wrapped(one_line(finding.message), columns)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], truncate(" ".join(lines[_MOST_LINES - 1 :]), columns, marks.ellipsis)]
    return lines
