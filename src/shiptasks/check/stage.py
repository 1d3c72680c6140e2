"""Runs one stage: its containers, its command in time, and the reading of what the tool wrote."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shiptasks.check import junit
from shiptasks.check.plan import Stage
from shiptasks.check.preset import Ended, Reading, Unreadable
from shiptasks.check.reports import TestReport, findings, merged
from shiptasks.check.results import CheckResult, Outcome
from shiptasks.check.scan import judge
from shiptasks.errors import Interrupted, ShiptasksError
from shiptasks.plugins.protocols import Finding
from shiptasks.run import process
from shiptasks.run.events import StepHandle
from shiptasks.run.text import clean, seconds

if TYPE_CHECKING:
    from shiptasks.check.bundle import BundleReport
    from shiptasks.config.model import Project
    from shiptasks.run.lease import Lease
    from shiptasks.run.secrets import Secrets

_OUTPUT = 32_000_000  # bytes of a tool's output that are read
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_FRAME = " =-_*#~─━"  # what tools draw around their last line


@dataclass(frozen=True)
class Place:
    """Where the stages of a run work."""

    project: Project
    folder: Path
    """The run's own folder."""
    temporary: Path
    """A folder for what the commands leave in TMPDIR; removed when the run ends."""
    lease: Lease
    secrets: Secrets
    """What is masked in all that is told: the passwords of containers are added."""
    environ: Mapping[str, str]
    """Variables of every command."""
    mending: threading.Lock = field(default_factory=threading.Lock)
    """Held by a stage that changes files: two would undo each other's work."""

    def out(self, stage: Stage) -> Path:
        """Folder for what the stage's tool reports."""
        return self.folder / "stages" / stage.id

    def environ_of(self, stage: Stage) -> dict[str, str]:
        """The variables of the stage's command, without those of its containers.

        The tools beside this interpreter come first: `.venv/bin/inv check` finds its `ruff` without activation.
        """
        here = str(Path(sys.executable).parent)
        rest = self.environ.get("PATH", os.defpath)
        env = {
            **self.environ,
            "PATH": os.pathsep.join((here, rest)) if rest else here,
            "TMPDIR": str(self.temporary / stage.id),
            **stage.env,
        }
        if stage.python:
            env.pop("VIRTUAL_ENV", None)  # uv warns of an environment that is not the one that it makes
        return env


@dataclass
class _Attempt:
    """What a stage has done so far."""

    exit_code: int | None = None
    passed: bool = False
    detail: str = ""
    found: tuple[Finding, ...] = ()
    tests: TestReport | None = None
    coverage: tuple[Path, ...] = ()
    bundle: BundleReport | None = None
    last: str = ""


def run_stage(stage: Stage, place: Place, step: StepHandle) -> CheckResult:
    """Run the stage to its end and tell how it went through `step`.

    What the tool does wrong is a result. Raises Interrupted when the run has been stopped.
    """
    attempt = _Attempt()
    began = time.monotonic()
    try:
        with place.mending if stage.mends else nullcontext():
            began = time.monotonic()
            _run(stage, place, step, attempt, began + stage.timeout)
    except process.ProcessTimeout:
        attempt.passed = False
        attempt.detail = f"ended after its longest time of {seconds(stage.timeout)}"
    except process.NotInstalled as error:
        attempt.passed = False
        attempt.detail = f"{error.what}: {_remedy(stage, error)}"
    except Interrupted:
        raise
    except ShiptasksError as error:
        attempt.passed = False
        attempt.detail = f"{error.what}{f'; {error.hint}' if error.hint else ''}"
        for line in error.details:
            step.output(line, "stderr")
    took = time.monotonic() - began
    outcome, detail = _judged(stage, attempt, took)
    step.outcome, step.detail = outcome, detail
    for one in attempt.found:
        step.finding(one, tool=stage.preset.name if stage.preset else stage.name, blocking=outcome == "failed")
    return CheckResult(
        stage,
        outcome,
        attempt.exit_code,
        took,
        detail,
        len(attempt.found),
        attempt.tests,
        attempt.coverage,
        attempt.bundle,
    )


def failed(stage: Stage, step: StepHandle, error: ShiptasksError) -> CheckResult:
    """The result of a stage that could not begin."""
    attempt = _Attempt(detail=f"{error.what}{f'; {error.hint}' if error.hint else ''}")
    step.outcome, step.detail = _judged(stage, attempt, 0.0)
    return CheckResult(stage, step.outcome, detail=step.detail)


def _run(stage: Stage, place: Place, step: StepHandle, attempt: _Attempt, deadline: float) -> None:
    since = time.time()
    out = place.out(stage)
    out.mkdir(parents=True, exist_ok=True)
    with _containers(stage, place, step) as variables:
        (place.temporary / stage.id).mkdir(exist_ok=True)
        env = {**place.environ_of(stage), **variables}
        reruns = stage.tests.reruns if stage.tests else 0
        for number in range(reruns + 1):
            if number:
                step.progress(f"once more: {attempt.detail}")
            again = replace(stage, request=replace(stage.request, again=True)) if number and stage.request else stage
            before = attempt.tests
            _once(again, out, env, step, attempt, deadline)
            _reported(stage, place, attempt, since)
            if before is not None and attempt.tests is not None:
                attempt.tests = merged(before, attempt.tests)
                attempt.found, attempt.detail = findings(attempt.tests), attempt.tests.summary
            if attempt.passed or attempt.tests is None or not attempt.tests.of("failed"):
                break
        attempt.coverage = _coverage(stage, out, since)
    if stage.bundle is not None and attempt.passed:
        from shiptasks.check.bundle import measure

        attempt.bundle = measure(place.project, stage.name, stage.bundle)
        attempt.passed, attempt.detail = attempt.bundle.fits, attempt.bundle.summary
        for line in attempt.bundle.lines():
            step.output(line)


def _once(
    stage: Stage, out: Path, env: Mapping[str, str], step: StepHandle, attempt: _Attempt, deadline: float
) -> None:
    def on_lines(lines: Sequence[str], stream: str) -> None:
        step.lines(lines, stream)
        attempt.last = next(filter(None, map(_meaningful, reversed(lines))), attempt.last)

    argv = stage.command(out)
    if not argv:
        attempt.passed = True
        return
    if stage.preset is not None and stage.request is not None:
        env = {**env, **stage.preset.environ(replace(stage.request, out=out))}
    reads = stage.preset is not None or stage.scanner is not None
    result = process.run(
        argv,
        cwd=stage.cwd,
        env=env,
        check=False,
        on_lines=on_lines,
        timeout=max(deadline - time.monotonic(), 0.001),
        keep=_OUTPUT if reads else 0,
        hint=stage.preset.install if stage.preset else "",
    )
    attempt.exit_code, attempt.passed, attempt.detail = result.exit_code, result.exit_code == 0, attempt.last
    attempt.tests, attempt.found = None, ()
    if result.exit_code < 0 or result.exit_code in (128 + 9, 128 + 11, 128 + 6):
        attempt.detail = _killed(result.exit_code)
    elif result.exit_code in (_NOT_FOUND, _NOT_EXECUTABLE) and stage.preset is None:
        attempt.detail = f"{attempt.last or stage.text}; is it installed in this environment?"
    elif stage.scanner is not None:
        attempt.passed, attempt.detail = judge(
            stage.scanner, result.stdout, result.stderr, result.exit_code, step.output
        )
    elif stage.preset is not None and stage.request is not None:
        ended = Ended(result.exit_code, result.stdout, result.stderr)
        _read(attempt, partial(stage.preset.read, replace(stage.request, out=out), ended))
    else:
        attempt.detail = attempt.detail or ("" if attempt.passed else process.ending(result.exit_code))


def _reported(stage: Stage, place: Place, attempt: _Attempt, since: float) -> None:
    """Read the JUnit report that a command of the configuration writes."""
    path = stage.tests.junit if stage.tests else None
    if path is None or (not attempt.passed and not _is_new(stage.cwd / path, since)):
        return

    def reading() -> Reading:
        if (stage.cwd / path).exists() and not _is_new(stage.cwd / path, since):
            raise Unreadable(f"{path} is of an earlier run: the command did not write it")
        tests = junit.read(stage.cwd / path, place.project.root, stage.cwd)
        return Reading(attempt.passed and not tests.of("failed"), findings(tests), tests.summary, tests)

    _read(attempt, reading)


def _read(attempt: _Attempt, reading: Callable[[], Reading]) -> None:
    try:
        read = reading()
    except Unreadable as error:
        attempt.passed, attempt.detail = False, str(error)
        return
    attempt.passed, attempt.found, attempt.tests = read.passed, read.findings, read.tests
    attempt.detail = read.detail or attempt.last


def _coverage(stage: Stage, out: Path, since: float) -> tuple[Path, ...]:
    """The coverage that the stage measured, kept with the run."""
    if stage.tests is None or not stage.tests.coverage:
        return ()
    if stage.tests.coverage_files:
        written = [file for file in stage.tests.coverage_files if _is_new(stage.cwd / file, since)]
        return tuple(Path(shutil.copyfile(stage.cwd / file, out / Path(file).name)) for file in written)
    return tuple(sorted(path for path in out.iterdir() if path.is_file() and _is_coverage(path.name)))


def _is_new(path: Path, since: float) -> bool:
    """Whether a file was written since then; some file systems know only whole seconds."""
    return path.is_file() and path.stat().st_mtime >= int(since)


def _is_coverage(name: str) -> bool:
    return name.startswith(".coverage") or name.endswith((".info", ".lcov"))


def _judged(stage: Stage, attempt: _Attempt, took: float) -> tuple[Outcome, str]:
    detail = attempt.detail
    if not attempt.passed:
        return ("warned", f"advisory: {detail}") if stage.advisory else ("failed", detail)
    if stage.budget and took > stage.budget:
        return "warned", f"over its budget of {seconds(stage.budget)}; {detail}".rstrip("; ")
    return ("warned" if attempt.tests and attempt.tests.of("flaky") else "ok"), detail


@contextmanager
def _containers(stage: Stage, place: Place, step: StepHandle) -> Iterator[dict[str, str]]:
    names = stage.tests.containers if stage.tests else ()
    if not names:
        yield {}
        return
    from shiptasks.check.containers import started

    wanted = {name: place.project.containers[name] for name in names}
    with started(wanted, place.lease, step.progress) as variables:
        step.progress("")
        for value in variables.values():
            with suppress(ValueError):  # a text of the configuration need not be a URL
                place.secrets.add(urlsplit(value).password or "")
        yield variables


def _remedy(stage: Stage, error: ShiptasksError) -> str:
    if stage.python and stage.argv[:1] != ("nox",):
        return "versions of Python come through uv: pip install uv"
    return error.hint


def _killed(exit_code: int) -> str:
    number = -exit_code if exit_code < 0 else exit_code - 128
    told = process.ending(-number)
    return f"{told}; the kernel does that when memory runs out: see dmesg" if number == 9 else told


def _meaningful(line: str) -> str:
    """A line without the frame that a tool draws around it; empty when it says nothing."""
    words = clean(line).strip(_FRAME).strip()
    return words if any(char.isalnum() for char in words) else ""
