"""What people see at the end of a run in which stages failed: what was found, and what the others wrote, once.

Only of steps that can be run alone, as those of a check: others show their last lines as soon as they fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shiptasks.run import findings
from shiptasks.run.results import Results, StepResult
from shiptasks.run.text import Line, Marks, clean


@dataclass(frozen=True)
class Section:
    """Lines under a title, if it has one, and the commands that run again what they are about.

    `output` are lines that a process wrote; they may be many, and go where the screen ends.
    """

    title: str
    lines: Sequence[Line] = ()
    output: Sequence[str] = ()
    alone: Sequence[str] = ()


def sections(results: Results, columns: int, marks: Marks, *, verbose: bool) -> list[Section]:
    """The findings of all steps in one table, then the output of each that failed for another reason."""
    failed = [each for each in results.failed() if each.started.alone]
    told = []
    found = _findings(results, failed, columns, marks, verbose)
    if found is not None:
        told.append(found)
    told += [_output(each) for each in failed if each.output and not each.is_told_by_findings]
    return told


def _findings(
    results: Results, failed: Sequence[StepResult], columns: int, marks: Marks, verbose: bool
) -> Section | None:
    every = list(results.findings())
    blocking = [each for each in every if each.blocking]
    others = [each for each in every if not each.blocking]
    shown = [*blocking, *(others if verbose else ())]
    lines = findings.table(shown, columns, marks)
    if len(shown) > findings.MOST:
        left = findings.in_order(shown)[findings.MOST :]
        command = f"inv log --last{_stage_of([results.steps[each.step] for each in left])}"
        lines.append(((f"  and {len(left):,} more: {command}", "dim"),))
    if others and not verbose:
        lines.append(((f"  not blocking: {findings.counted(others)}; --verbose shows them", "dim"),))
    if not lines:
        return None
    return Section(
        "findings" if shown else "", lines, alone=[each.started.alone for each in failed if each.is_told_by_findings]
    )


def _stage_of(steps: Sequence[StepResult]) -> str:
    """The one stage that these are, or the kind of all of them, as an option of `inv log`."""
    ids, kinds = {each.id for each in steps}, {each.started.stage for each in steps}
    if len(ids) == 1:
        return f" --stage={ids.pop()}"
    return f" --stage={kinds.pop()}" if len(kinds) == 1 and "" not in kinds else ""


def _output(step: StepResult) -> Section:
    left_out = step.output.left_out()
    told = f"[{left_out:,} lines before these: inv log --last --stage={step.id}]"
    return Section(
        step.started.title,
        lines=[((told, "dim"),)] if left_out else [],
        output=[clean(line) for line in step.output.lines()],
        alone=[step.started.alone],
    )
