"""A report for people: what is not well first, with the evidence and what to do; then each group in a line."""

from __future__ import annotations

from shiptasks.run.table import table
from shiptasks.run.text import clean
from shiptasks.verify.model import Report, Result, Status

_WORDS: dict[Status, str] = {"error": "ERROR", "fail": "FAIL", "warn": "WARN", "skip": "skip", "ok": "ok"}


def text(report: Report, *, verbose: bool = False) -> str:
    """The report as lines. What passed is only counted, unless `verbose`."""
    parts = [_block(one) for one in report.results if one.status in ("error", "fail", "warn")]
    if verbose:
        well = [one for one in report.results if one.status in ("skip", "ok")]
        if well:
            rows = [(_WORDS[one.status], one.group, _target(one), one.verdict.detail, _took(one)) for one in well]
            parts.append(table(("", "group", "check", "found", "time"), rows, right=("time",)))
    groups = sorted(report.groups, key=_ORDER.index) if set(report.groups) <= set(_ORDER) else report.groups
    parts.append(table(("group", "result"), [(group, report.summary(group)) for group in groups]))
    return "\n\n".join(parts)


_ORDER = ("containers", "proxy", "endpoints")


def _block(one: Result) -> str:
    lines = [f"{_WORDS[one.status]:<5}  {one.group}: {clean(_target(one))}: {clean(one.verdict.detail)}"]
    lines += [f"       | {clean(line)}" for line in one.verdict.evidence]
    if one.verdict.remedy:
        lines.append(f"       next: {clean(one.verdict.remedy)}")
    return "\n".join(lines)


def _target(one: Result) -> str:
    return f"{one.target} on {one.host}" if one.host else one.target


def _took(one: Result) -> str:
    return f"{one.seconds * 1000:.0f} ms"
