"""Stages that misbehave, as real processes: what becomes of them, and of what they leave."""

from __future__ import annotations

import os
import resource
import secrets
import subprocess
import time
from pathlib import Path

import pytest

from shiptasks.api import check
from shiptasks.check.plan import Options, plan
from shiptasks.check.results import CheckResult, Report
from shiptasks.check.stage import _meaningful
from shiptasks.config.load import load
from shiptasks.errors import Failed
from shiptasks.run.run import start


def run(root: Path, table: str, *names: str, keep_going: bool = True) -> Report:
    (root / "pyproject.toml").write_text(f'[tool.shiptasks]\nproject = "shop"\n{table}\n')
    project = load(root)
    with start(project, "check") as this:
        return check.apply(project, check.plan(project, names=names), this.bus, keep_going=keep_going)


def only(report: Report) -> CheckResult:
    (result,) = report.results
    return result


def alive(mark: str) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if mark in line and " Z" not in line]


def unique() -> str:
    """A number of seconds that only this test sleeps."""
    return f"60.{secrets.randbelow(10**9):09d}"


def test_a_command_that_never_ends_is_ended_after_its_longest_time(tmp_path: Path) -> None:
    mark = unique()
    result = only(run(tmp_path, f'test.a = {{ command = "echo begun; sleep {mark} | cat", timeout = "500ms" }}'))
    assert (result.outcome, result.exit_code) == ("failed", None)
    assert result.detail == "ended after its longest time of 0.5s"
    assert not alive(mark)


def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = unique()
    script = tmp_path / "stubborn.sh"
    script.write_text(f"trap '' TERM HUP INT\nsleep {mark} & sleep {mark}\nwait\n")
    began = time.monotonic()
    result = only(run(tmp_path, 'test.a = { command = "bash stubborn.sh", timeout = "300ms" }'))
    assert result.outcome == "failed"
    assert time.monotonic() - began < 10
    assert not alive(mark)


def test_a_daemon_is_gone_when_the_run_has_ended(tmp_path: Path) -> None:
    mark = unique()
    result = only(run(tmp_path, f'test.a = "setsid --fork sleep {mark}; echo started"'))
    assert (result.outcome, result.detail) == ("ok", "started")
    assert not alive(mark)


def test_one_that_the_kernel_killed_says_so(tmp_path: Path) -> None:
    result = only(run(tmp_path, "test.a = 'kill -9 $$'"))
    assert (result.outcome, result.exit_code) == ("failed", -9)
    assert result.detail == "was ended by SIGKILL; the kernel does that when memory runs out: see dmesg"


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(
        bytes(range(256)) * 20 + b"\n\xff\xfe the \x1b[31mlast\x1b[0m \x1b]0;title\x07word\n"
    )
    result = only(run(tmp_path, 'test.a = "cat noise; exit 1"'))
    assert result.outcome == "failed"
    assert result.detail == "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} the last word"


def test_a_lot_of_output_takes_neither_the_memory_nor_the_disk(tmp_path: Path) -> None:
    line = "x" * 99
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = only(run(tmp_path, f'test.a = "yes {line} | head -c 200000000; echo; echo the end; exit 1"'))
    assert (result.outcome, result.detail) == ("failed", "the end")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KiB
    (log,) = (tmp_path / ".shiptasks" / "runs").glob("*/events.jsonl")
    assert log.stat().st_size < 100_000_000
    assert "the end" in log.read_text(encoding="utf-8")[-20_000:]


@pytest.mark.parametrize(
    ("report", "detail"),
    [
        (None, "there is no"),
        ("", "JUnit"),
        ("<testsuite><testcase name='a'", "JUnit"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite/>", "document type"),
        ("{}", "JUnit"),
    ],
)
def test_success_with_a_broken_report_is_none(tmp_path: Path, report: str | None, detail: str) -> None:
    if report is not None:
        (tmp_path / "written.xml").write_text(report)
    result = only(
        run(tmp_path, 'test.a = { command = "cat written.xml > junit.xml || rm junit.xml", junit = "junit.xml" }')
    )
    assert result.outcome == "failed"
    assert detail.lower() in result.detail.lower()


def test_a_report_with_a_failed_test_fails_what_exited_with_0(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(
        '<testsuite><testcase name="a"/><testcase name="b" file="t.py" line="3"><failure message="no"/></testcase>'
        "</testsuite>"
    )
    (tmp_path / "junit.xml").rename(tmp_path / "written.xml")
    result = only(run(tmp_path, 'test.a = { command = "cat written.xml > junit.xml", junit = "junit.xml" }'))
    assert (result.outcome, result.detail, result.findings) == ("failed", "1 passed, 1 failed", 1)


def test_a_report_of_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text('<testsuite><testcase name="a"/></testsuite>')
    os.utime(tmp_path / "junit.xml", (1, 1))
    result = only(run(tmp_path, 'test.a = { command = "true", junit = "junit.xml" }'))
    assert result.outcome == "failed"
    assert result.detail == "junit.xml is of an earlier run: the command did not write it"


def test_a_secret_in_the_output_is_masked(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.shiptasks]\nproject = "shop"\ntest.a = "echo $TOKEN; exit 1"\n')
    project = load(tmp_path)
    with start(project, "check") as this:
        this.secrets.add("hunter2-hunter2")
        os.environ["TOKEN"] = "hunter2-hunter2"
        try:
            check.apply(project, check.plan(project), this.bus)
        finally:
            del os.environ["TOKEN"]
    (log,) = (tmp_path / ".shiptasks" / "runs").glob("*/events.jsonl")
    assert "hunter2" not in log.read_text()


def test_temporary_files_are_removed_and_every_stage_has_its_own_place_for_them(tmp_path: Path) -> None:
    report = run(tmp_path, 'test.a = "mktemp; echo $TMPDIR"\ntest.b = "mktemp -d; echo $TMPDIR"')
    folders = {result.detail for result in report.results}
    assert len(folders) == 2
    assert not any(Path(folder).exists() or Path(folder).parent.exists() for folder in folders)


def test_an_unchanged_stage_is_not_run_again_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("1")
    table = 'test.a = { command = "echo ran >> log; echo fine", inputs = ["src/**/*.py"], inputs-env = ["FLAVOUR"] }'
    assert only(run(tmp_path, table)).outcome == "ok"
    again = only(run(tmp_path, table))
    assert again.outcome == "cached"
    assert again.detail.startswith("unchanged since ")
    assert again.detail.endswith(" ago; fine")
    (tmp_path / "src" / "a.py").write_text("2")
    assert only(run(tmp_path, table)).outcome == "ok"
    assert (tmp_path / "log").read_text() == "ran\nran\n"
    assert only(run(tmp_path, table.replace("echo fine", "echo good"))).outcome == "ok"


def test_a_failure_is_never_remembered(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    table = 'test.a = { command = "echo ran >> log; exit 1", inputs = ["a"] }'
    assert [only(run(tmp_path, table)).outcome for _ in range(2)] == ["failed", "failed"]


def test_inputs_that_match_nothing_fail_the_stage(tmp_path: Path) -> None:
    result = only(run(tmp_path, 'test.a = { command = "true", inputs = ["scr/**"] }'))
    assert result.outcome == "failed"
    assert "scr/**" in result.detail


def test_results_come_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    report = run(tmp_path, 'lint.slow = "sleep 0.3"\nlint.fast = "true"\ntest.x = "true"')
    assert [result.stage.id for result in report.results] == ["lint.slow", "lint.fast", "test.x"]
    assert report.summary == "3 passed"


def test_a_tool_that_is_not_installed_is_an_error_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.py").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    result = only(run(tmp_path, 'lint.flake = { preset = "flake8" }'))
    assert result.outcome == "failed"
    assert result.detail == "the command 'flake8' was not found: pip install flake8"


def test_failed_says_what_to_type(tmp_path: Path) -> None:
    report = run(tmp_path, 'lint.a = "exit 1"\ntest.b = "exit 2"\ntest.c = "true"')
    with pytest.raises(Failed) as caught:
        report.raise_if_failed()
    assert caught.value.what == "2 of 3 stages failed: lint a, test b"
    assert caught.value.hint == "inv check --only=lint.a,test.b"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("===== 12 passed in 0.80s =====", "12 passed in 0.80s"),
        ("\x1b[32mAll checks passed!\x1b[0m", "All checks passed!"),
        ("-----", ""),
        ("   ", ""),
        ("Success: no issues found in 3 source files", "Success: no issues found in 3 source files"),
    ],
)
def test_the_last_word_of_a_tool_without_its_frame(line: str, word: str) -> None:
    assert _meaningful(line) == word


def test_what_mends_files_does_so_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\nimport sys\n\n\ndef f( ):\n  return   1\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.shiptasks]\nproject = "shop"\nlint.ruff = { preset = "ruff" }\n'
        'lint.format = { preset = "ruff-format" }\n'
        'lint.own = { command = "true", fix = "mkdir alone && sleep 0.2 && rmdir alone" }\n'
        'lint.two = { command = "true", fix = "mkdir alone && sleep 0.2 && rmdir alone" }\n'
    )
    project = load(tmp_path)
    with start(project, "lint") as this:
        stages = plan(project, Options(kinds=("lint",), fix=True))
        report = check.apply(project, stages, this.bus, jobs=4)
    assert [result.outcome for result in report.results] == ["ok"] * 4
    assert (tmp_path / "a.py").read_text() == "def f():\n    return 1\n"


def test_the_slowest_tests_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "written.xml").write_text(
        '<testsuite><testcase name="quick" time="0.1"/><testcase name="slow" time="2.5"/>'
        '<testcase name="slower" time="3"/></testsuite>'
    )
    report = run(tmp_path, 'test.a = { command = "cat written.xml > junit.xml", junit = "junit.xml" }')
    assert [case.name for case in report.slowest] == ["slower", "slow"]
    assert "slowest tests: slower 3.0s, slow 2.5s" in capsys.readouterr().out
