"""pytest: its JUnit report, coverage by pytest-cov, shards by pytest-split, failed tests once more."""

from __future__ import annotations

import re
from pathlib import Path

from shiptasks.check import junit
from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.check.presets.reading import failure
from shiptasks.check.reports import findings

_FAILED, _INTERRUPTED, _INTERNAL, _USAGE, _NOTHING = 1, 2, 3, 4, 5
# An option that pytest does not know is one of a plugin that is not there.
_PLUGINS = {"--cov": ("pytest-cov", "coverage needs"), "--splits": ("pytest-split", "shards need")}


def _command(request: Request) -> tuple[str, ...]:
    words = ["pytest", *request.args, f"--junitxml={_report(request)}"]
    # The family with files and lines, and the name by which the reader knows whose report it is.
    for setting in ("junit_family=xunit1", "junit_suite_name=pytest", f"cache_dir={request.out / 'cache'}"):
        words += ["-o", setting]
    if request.coverage:
        is_asked = any(word == "--cov" or word.startswith("--cov=") for word in request.args)
        words += ["--cov-report="] if is_asked else ["--cov", "--cov-report="]
    if request.shard:
        part, parts = request.shard
        words += ["--splits", str(parts), "--group", str(part)]
    if request.again:
        words += ["--lf", "--lfnf=none"]
    return (*words, *request.paths)


def _environ(request: Request) -> dict[str, str]:
    # pytest-cov empties its data file first: the second run must not take what the first one measured.
    name = ".coverage.again" if request.again else ".coverage"
    return {"COVERAGE_FILE": str(request.out / name)} if request.coverage else {}


def _report(request: Request) -> str:
    return str(request.out / ("junit-again.xml" if request.again else "junit.xml"))


def _read(request: Request, ended: Ended) -> Reading:
    if ended.exit_code == _USAGE:
        raise Unreadable(_refusal(ended))
    if ended.exit_code == _NOTHING:
        raise Unreadable(_nothing(request))
    if ended.exit_code == _INTERNAL:
        raise Unreadable("pytest failed by itself (exit code 3): its output has the reason")
    if ended.exit_code not in (0, _FAILED, _INTERRUPTED):
        raise Unreadable(f"pytest ended with exit code {ended.exit_code}, which is none of its own")
    path = Path(_report(request))
    if ended.exit_code and not path.is_file():  # what was to start it has failed, such as uv
        raise failure("pytest", ended)
    report = junit.read(path, request.root, request.cwd)
    if not report.cases:
        raise Unreadable("pytest's report holds no test")
    failed = bool(report.of("failed"))
    if ended.exit_code == _INTERRUPTED and not failed:
        raise Unreadable("pytest was interrupted (exit code 2): not all tests have run")
    if request.coverage and ended.exit_code == 0 and not any(request.out.glob(".coverage*")):
        raise Unreadable("pytest measured no coverage, though it was asked to: is there a --no-cov in its options?")
    detail = report.summary
    if ended.exit_code and not failed:
        detail += f", and pytest itself failed (exit code {ended.exit_code})"
    return Reading(ended.exit_code == 0 and not failed, findings(report), detail, report)


def _nothing(request: Request) -> str:
    if request.again:
        return "pytest found none of the failed tests again"
    if request.shard:
        return f"part {request.shard[0]} of {request.shard[1]} has no tests: there are fewer tests than shards"
    return f"pytest found no tests in {', '.join(request.paths) or 'its folder'}"


def _refusal(ended: Ended) -> str:
    text = f"{ended.stderr}\n{ended.stdout}"
    unknown = re.search(r"unrecognized arguments: (.*)", text)
    for option, (plugin, purpose) in _PLUGINS.items():
        if unknown and option in unknown[1].split():
            return f"{plugin} is not installed, and {purpose} it: pip install {plugin}"
    said = re.findall(r"^(?:\S+: )?(?:error|ERROR): (.+)$", text, re.MULTILINE)
    reasons = [line for line in said if not line.startswith("usage:")]
    return f"pytest could not begin: {reasons[0] if reasons else 'its output has the reason'}"


PYTEST = Preset(
    name="pytest",
    kind="test",
    install="pip install pytest",
    command=_command,
    read=_read,
    can_rerun=True,
    can_shard=True,
    coverage="python",
    environ=_environ,
    version=("pytest", "--version"),
)
