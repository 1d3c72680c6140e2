"""Runs the commands of a check side by side, each to its end, so that all results are seen at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from shiptasks.check.plan import Command, Kind
from shiptasks.check.scan import judge
from shiptasks.errors import Failed
from shiptasks.run import process
from shiptasks.run.events import Bus
from shiptasks.run.graph import side_by_side
from shiptasks.run.hooks import Hooks
from shiptasks.run.text import clean

_OUTPUT = 32_000_000  # bytes of a scanner's output that are read
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_FRAME = " =-_*#~─━"  # what tools draw around their last line


@dataclass(frozen=True)
class CheckResult:
    """What one command did. `exit_code` is None when it could not be started; `detail` is its own last word."""

    kind: Kind
    name: str
    command: str
    outcome: Literal["ok", "failed"]
    exit_code: int | None
    seconds: float
    detail: str


@dataclass(frozen=True)
class Report:
    """The results of all commands, in the order of the plan."""

    results: tuple[CheckResult, ...]

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.results if result.outcome != "ok")

    @property
    def summary(self) -> str:
        passed = len(self.results) - len(self.failed)
        return f"{passed} of {len(self.results)} passed" if self.failed else f"{passed} passed"

    def data(self) -> list[dict[str, Any]]:
        """Plain data, for JSON."""
        return [{**asdict(result), "seconds": round(result.seconds, 3)} for result in self.results]

    def raise_if_failed(self) -> None:
        """Raise Failed, naming what failed and how to run it alone."""
        if not self.failed:
            return
        names = ", ".join(f"{result.kind} {result.name}" for result in self.failed)
        only = ",".join(dict.fromkeys(result.name for result in self.failed))
        kinds = {result.kind for result in self.failed}
        task = kinds.pop() if len(kinds) == 1 else "check"
        count = f"{len(self.failed)} of {len(self.results)} checks failed"
        raise Failed(f"{count}: {names}", hint=f"inv {task} --only={only}")


def run(
    commands: Sequence[Command],
    bus: Bus,
    *,
    jobs: int = 0,
    environ: Mapping[str, str] = os.environ,
    hooks: Hooks | None = None,
) -> Report:
    """Run the commands, at most `jobs` at a time (0: one for each processor); a failure stops none of the others.

    The hooks before lint and before test run first; those after, when all commands of that kind have passed.
    """
    kinds = tuple(dict.fromkeys(command.kind for command in commands))
    for kind in kinds:
        if hooks is not None:
            hooks.before(kind)
    env = _environment(environ)
    outcomes = side_by_side([partial(_run_one, each, bus, env) for each in commands], jobs=jobs, keep_going=True)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    report = Report(tuple(outcome.value for outcome in outcomes if outcome.value is not None))
    for kind in kinds:
        if hooks is not None and not any(result.kind == kind for result in report.failed):
            hooks.after(kind)
    return report


def _run_one(command: Command, bus: Bus, env: Mapping[str, str]) -> CheckResult:
    last = ""

    def on_line(line: str, stream: str) -> None:
        nonlocal last
        step.output(line, "stderr" if stream == "stderr" else "stdout")
        last = _meaningful(line) or last

    with bus.step(command.title) as step:
        exit_code: int | None = None
        seconds = 0.0
        passed = False
        try:
            result = process.run(
                command.argv,
                cwd=command.cwd,
                env=env,
                check=False,
                on_line=on_line,
                keep=_OUTPUT if command.scanner else 0,
            )
            exit_code, seconds = result.exit_code, result.seconds
            passed = exit_code == 0
            if exit_code in (_NOT_FOUND, _NOT_EXECUTABLE):
                step.detail = f"{last or command.text}; is it installed in this environment?"
            elif command.scanner is not None:
                passed, step.detail = judge(
                    command.scanner, result.stdout, result.stderr, result.exit_code, step.output
                )
            elif exit_code != 0:
                step.detail = last or process.ending(exit_code)
            else:
                step.detail = last
        except process.NotInstalled as error:
            step.detail = f"{error.what}: {error.hint}"
        step.outcome = "ok" if passed else "failed"
    outcome: Literal["ok", "failed"] = "ok" if passed else "failed"
    return CheckResult(command.kind, command.name, command.text, outcome, exit_code, seconds, step.detail)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The tools beside this interpreter come first: `.venv/bin/inv check` finds its `ruff` without activation."""
    here = str(Path(sys.executable).parent)
    rest = environ.get("PATH", os.defpath)
    return {**environ, "PATH": os.pathsep.join((here, rest)) if rest else here}


def _meaningful(line: str) -> str:
    """A line without the frame that a tool draws around it; empty when it says nothing."""
    words = clean(line).strip(_FRAME).strip()
    return words if any(char.isalnum() for char in words) else ""
