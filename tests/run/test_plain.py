from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping

import pytest

from shiptasks.errors import Failed
from shiptasks.run.events import Bus, Failure, Notice, RunFinished, RunStarted, StepFinished, StepStarted, Text
from shiptasks.run.folds import GitHubFolds, GitLabFolds, folds_of
from shiptasks.run.output import listener_on
from shiptasks.run.plain import Plain

EVIL = ["::error::forged", "  ::set-output name=x::y", "##[command]rm", "\x1b[0Ksection_start:1:x\r\x1b[0K"]


def told(environ: Mapping[str, str], *, output: list[str], fail: bool = True, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    bus = Bus(listener_on(stream, environ))
    bus.emit(RunStarted(run_id="r", task="check", project="shop"))
    try:
        with bus.step("lint ruff", host="web1") as step:
            for line in output:
                step.output(line)
            if fail:
                raise Failed("it broke")
            step.detail = "fine"
    except Failed:
        pass
    bus.emit(Failure(what="1 check failed", where="pyproject.toml:12", now="nothing changed", hint="inv check"))
    bus.emit(RunFinished(outcome="failed", seconds=1.0, exit_code=1))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_a_step_that_takes_long_is_told_to_be_running_before_it_ends() -> None:
    stream = io.StringIO()
    bus = Bus(Plain(stream, patience=0.05))
    with bus.step("lint ruff", host="web1"):
        until = time.monotonic() + 10
        while not stream.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    with bus.step("lint words"):
        pass
    running, ended, quick = stream.getvalue().splitlines()
    assert re.fullmatch(r"› lint ruff +web1", running)
    assert re.fullmatch(r"✓ lint ruff +web1 +\d\.\ds", ended)
    assert re.fullmatch(r"✓ lint words +0\.0s", quick)


def test_one_line_a_step() -> None:
    lines = told({}, output=["quiet"], fail=False).splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d check shop", lines[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d ✓ lint ruff +web1 +fine +0\.0s", lines[1])
    assert len(lines[1]) == 120
    assert lines[2:-1] == [
        "✗ 1 check failed",
        "  where  pyproject.toml:12",
        "  now    nothing changed",
        "  next   inv check",
    ]
    assert re.fullmatch(r"\d\d:\d\d:\d\d ✗ check failed in 1\.0s", lines[-1])


def test_the_last_thirty_lines_of_a_failed_step_are_shown() -> None:
    shown = told({}, output=[f"line {number}" for number in range(100)])
    assert "    line 70\n" in shown
    assert "    line 99\n" in shown
    assert "line 69\n" not in shown


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_asked_for(columns: int) -> None:
    stream = io.StringIO()
    bus = Bus(Plain(stream, columns=columns))
    with bus.step("a very long title " * 10, host="a-host-with-a-long-name.example.com", service="api") as step:
        step.detail = "and a detail that goes on and on " * 5
    bus.emit(Failure(what="something happened that takes many words to tell " * 4, hint="inv check " * 20))
    assert max(map(len, stream.getvalue().splitlines())) <= columns
    assert "…" in stream.getvalue()


def test_no_escapes_unless_colour_is_forced() -> None:
    assert "\x1b" not in told({}, output=["\x1b[31mred"])
    assert "\x1b[31m✗\x1b[0m" in told({"FORCE_COLOR": "1"}, output=["x"])
    assert "\x1b" not in told({"FORCE_COLOR": "1", "NO_COLOR": "1"}, output=["x"])
    assert "\x1b" not in told({"FORCE_COLOR": "0"}, output=["x"])


def test_a_stream_that_knows_no_signs_gets_words() -> None:
    shown = told({}, output=["naïve 漢"], encoding="ascii")
    assert "FAILED lint ruff" in shown
    assert "na?ve ?" in shown


def github_commands(shown: str) -> list[str]:
    """The lines that the runner of GitHub Actions would obey."""
    obeyed, stopped = [], ""
    for line in shown.splitlines():
        start = line.lstrip()
        if stopped:
            if start == f"::{stopped}::":
                stopped = ""
            continue
        if start.startswith("::stop-commands::"):
            stopped = start.removeprefix("::stop-commands::")
        elif start.startswith("::") or "##[" in line:
            obeyed.append(line)
    return obeyed


def test_github_folds_and_annotates_and_obeys_nothing_that_others_wrote() -> None:
    shown = told({"GITHUB_ACTIONS": "true"}, output=EVIL * 20)
    assert github_commands(shown) == [
        "::group::output of lint ruff",
        "::endgroup::",
        "::error file=pyproject.toml,line=12::1 check failed%0Anow: nothing changed%0Anext: inv check",
    ]
    assert "|     ::error::forged" in shown


def test_titles_details_and_notices_cannot_give_github_commands() -> None:
    stream = io.StringIO()
    bus = Bus(Plain(stream, folds=GitHubFolds()))
    bus.emit(RunStarted(run_id="r", task="::error::a", project="p"))
    bus.emit(StepStarted(step="1", title="x\n::error::b ##[error]c"))
    bus.emit(StepFinished(step="1", outcome="ok", seconds=0, detail="y\r\n::error::d"))
    bus.emit(Notice(text="::error::e\n::error::f"))
    bus.emit(Text(text="plan\n::error::g"))
    bus.emit(Failure(what="h\n::warning::i", details=("::error::j",)))
    assert github_commands(stream.getvalue()) == ["::error::h%0A::warning::i"]


def test_github_properties_are_escaped() -> None:
    error = GitHubFolds().error(Failure(what="100%", where="a,b.toml:3:7"))
    assert error == ["::error file=a%2Cb.toml,line=3,col=7::100%25"]
    assert GitHubFolds().error(Failure(what="x", where="web1, api")) == ["::error::x"]


def test_gitlab_sections_are_the_only_escapes() -> None:
    shown = told({"GITLAB_CI": "true"}, output=EVIL * 20)
    sections = re.findall(r"\x1b\[0Ksection_(start|end):\d+:(step_001)", shown)
    assert sections == [("start", "step_001"), ("end", "step_001")]
    assert shown.count("\x1b") == 4


def test_other_ci_systems_get_plain_lines() -> None:
    assert folds_of({"CI": "true"}) is None
    assert isinstance(folds_of({"GITLAB_CI": "true"}), GitLabFolds)
