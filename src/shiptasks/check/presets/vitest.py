"""Vitest: its JUnit report, coverage by V8 as LCOV and HTML, shards."""

from __future__ import annotations

import re
from pathlib import Path

from shiptasks.check import junit
from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.check.presets.reading import failure
from shiptasks.check.reports import findings
from shiptasks.run.text import clean

_REPORT = "junit.xml"


def _command(request: Request) -> tuple[str, ...]:
    words = [_program(request.cwd, request.root), "run", *request.args]
    words += ["--reporter=default", "--reporter=junit", f"--outputFile.junit={request.out / _REPORT}"]
    if request.coverage:
        words += ["--coverage.enabled", "--coverage.provider=v8", "--coverage.reporter=lcov"]
        # Of its own accord Vitest empties the folder first, and leaves nothing there when a test has failed.
        words += ["--coverage.clean=false", "--coverage.reportOnFailure", f"--coverage.reportsDirectory={request.out}"]
    if request.shard:
        part, parts = request.shard
        words.append(f"--shard={part}/{parts}")
    return (*words, *request.paths)


def _program(cwd: Path, root: Path) -> str:
    """The Vitest of the nearest node_modules from `cwd` up to `root`; else the one on PATH."""
    folders = [cwd, *cwd.parents]
    for folder in folders[: folders.index(root) + 1] if root in folders else [cwd]:
        program = folder / "node_modules" / ".bin" / "vitest"
        if program.is_file():
            return str(program)
    return "vitest"


def _read(request: Request, ended: Ended) -> Reading:
    output = _clean_lines(f"{ended.stderr}\n{ended.stdout}")
    if "Cannot find dependency '@vitest/coverage-v8'" in output:
        raise Unreadable(
            "@vitest/coverage-v8 is not installed, and coverage needs it: npm install --save-dev @vitest/coverage-v8"
        )
    if "No test files found" in output:
        raise Unreadable(f"vitest found no tests in {', '.join(request.paths) or 'its folder'}")
    if "must be a smaller than count of test files" in output and request.shard:
        part, parts = request.shard
        raise Unreadable(f"part {part} of {parts} has no tests: there are fewer test files than shards")
    if ended.exit_code and not (request.out / _REPORT).is_file():
        raise failure("vitest", ended)
    report = junit.read(request.out / _REPORT, request.root, request.cwd)
    if not report.cases:
        raise Unreadable("vitest's report holds no test")
    failed = bool(report.of("failed"))
    if request.coverage and ended.exit_code == 0 and not (request.out / "lcov.info").is_file():
        raise Unreadable("vitest measured no coverage, though it was asked to: see `coverage` in its configuration")
    detail = report.summary
    if ended.exit_code and not failed:
        reason = re.search(r"^(?:Error|ERROR): (.+)$", output, re.MULTILINE)
        detail += f", and vitest itself failed: {reason[1]}" if reason else ", and vitest itself failed"
    return Reading(ended.exit_code == 0 and not failed, findings(report), detail, report)


def _clean_lines(text: str) -> str:
    """The output without colours, line by line."""
    return "\n".join(map(clean, text.splitlines()))


VITEST = Preset(
    name="vitest",
    kind="test",
    install="npm install --save-dev vitest",
    command=_command,
    read=_read,
    can_shard=True,
    coverage="lcov",
    version=("vitest", "--version"),
)
