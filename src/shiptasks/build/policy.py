"""The policy of Dockerfiles: looked at before anything is built; what it finds is told, and may stop the build.

A path that is missing always stops it: the build would fail there anyway. Everything else does as configured.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from shiptasks.build import hadolint
from shiptasks.build.dockerfile import parse
from shiptasks.build.plan import BuildPlan, Target
from shiptasks.build.policyrules import Subject, judge
from shiptasks.build.sections import Policy
from shiptasks.build.unclear import Unclear
from shiptasks.errors import Failed
from shiptasks.plugins.protocols import Finding, Severity
from shiptasks.run.events import Bus

TOOL = "policy"

_RANKS: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")
_ALWAYS = "D6-path"
_MOST_TOLD = 10


def enforce(plan: BuildPlan, settings: Policy, bus: Bus) -> tuple[Finding, ...]:
    """Look at the Dockerfiles of a plan, in a step of its own; the findings that are not ignored.

    Raises Failed when one stops the build; nothing was built then.
    """
    with bus.step("policy", stage="build") as step:
        found = list(findings(plan, settings))
        if settings.hadolint:
            try:
                found += _of_hadolint(plan, settings)
            except Failed as error:
                bus.notice(f"{error.what}: the policy goes by its own rules", "warning")
        found.sort(key=lambda each: (-_rank(each), each.file, each.line, each.rule))
        stopping = [each for each in found if stops(each, settings)]
        for each in found:
            step.finding(each, tool=_tool(each), blocking=each in stopping)
        step.detail = counts(found)
        if stopping:
            raise _refused(stopping)
        _warn(found, bus)
        step.outcome = "warned" if any(_rank(each) >= _RANKS.index("medium") for each in found) else "ok"
    return tuple(found)


def findings(plan: BuildPlan, settings: Policy) -> tuple[Finding, ...]:
    """What our own rules find in the Dockerfiles of a plan, each finding once, without those that are ignored."""
    found: dict[Finding, None] = {}
    for target in plan.targets:
        try:
            found.update(dict.fromkeys(judge(_subject(target, plan.root))))
        except (Unclear, OSError):
            continue  # the builder says what is wrong with it
    return tuple(each for each in found if each.rule not in settings.ignore)


def stops(finding: Finding, settings: Policy) -> bool:
    """Whether a finding stops the build."""
    if finding.rule == _ALWAYS:
        return True
    return settings.fail != "never" and _rank(finding) >= _RANKS.index(settings.fail)


def counts(found: Iterable[Finding]) -> str:
    """`1 high, 2 medium`; `no findings`. Those for information only are not counted."""
    counted: Counter[str] = Counter(each.severity for each in found if each.severity != "info")
    return ", ".join(f"{counted[name]} {name}" for name in reversed(_RANKS) if counted[name]) or "no findings"


def is_there(context: Path, path: str) -> bool:
    """Whether `path` exists in a context. True where a link is on the way: only the builder knows how it follows it."""
    here = context
    for part in path.split("/"):
        here = here / part
        if here.is_symlink():
            return True
        if not os.path.lexists(here):
            return False
    return True


def _subject(target: Target, root: Path) -> Subject:
    ignores = (target.dockerfile.with_name(f"{target.dockerfile.name}.dockerignore"), target.context / ".dockerignore")
    return Subject(
        file=_shown(target.dockerfile, root),
        dockerfile=parse(target.dockerfile.read_text(encoding="utf-8", errors="replace")),
        target=target.stage,
        args=target.args,
        context=_shown(target.context, root),
        has_ignore=any(path.is_file() for path in ignores),
        is_there=lambda path: is_there(target.context, path),
    )


def _of_hadolint(plan: BuildPlan, settings: Policy) -> Sequence[Finding]:
    files = sorted({_shown(target.dockerfile, plan.root) for target in plan.targets})
    return [each for each in hadolint.findings(plan.root, files) if each.rule not in settings.ignore]


def _shown(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _warn(found: Sequence[Finding], bus: Bus) -> None:
    """Tell a person what stops nothing: of our own rules from medium on, of hadolint's only its errors."""
    least = {TOOL: _RANKS.index("medium"), hadolint.TOOL: _RANKS.index("high")}
    told = [each for each in found if _rank(each) >= least[_tool(each)]]
    for each in told[:_MOST_TOLD]:
        bus.notice(str(each), "warning")
    if len(told) > _MOST_TOLD:
        bus.notice(f"{len(told) - _MOST_TOLD} more findings of the policy: inv log --last", "warning")


def _refused(stopping: Sequence[Finding]) -> Failed:
    first = stopping[0]
    why = f"{len(stopping)} findings" if len(stopping) > 1 else first.message
    # No details: the findings are told as such.
    return Failed(
        f"the policy of Dockerfiles stops the build: {why}",
        where=f"{first.file}:{first.line}",
        now="nothing was built",
        hint="correct the Dockerfile, or give the reason under [tool.shiptasks.build.policy.ignore]",
    )


def _rank(finding: Finding) -> int:
    return _RANKS.index(finding.severity)


def _tool(finding: Finding) -> str:
    return TOOL if finding.rule.startswith("D6-") else hadolint.TOOL
