from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from shiptasks.config.model import Project
from shiptasks.errors import Failed, FailedRestored, Interrupted
from shiptasks.run.events import RunFinished
from shiptasks.run.run import start
from shiptasks.run.secrets import Secrets


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(project="shop")
    project._root = tmp_path
    return project


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_a_run_that_ends_well(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    with start(project, "check", environment="staging", version="1.0.0") as run:
        run.summary = "3 passed"
        run.show("a plan\nof two lines")
        with run.bus.step("x"):
            pass
    out, err = capsys.readouterr()
    assert re.match(r"\d\d:\d\d:\d\d check shop 1\.0\.0 to staging\na plan\nof two lines\n", out)
    assert "✓ check done in 0.0s: 3 passed" in out
    assert err == ""
    kinds = [event["event"] for event in events(run.folder)]
    assert kinds == ["RunStarted", "Text", "StepStarted", "StepFinished", "RunFinished"]
    assert run.folder == project.state_dir / "runs" / run.run_id


def test_an_error_is_told_once_and_raised(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FailedRestored) as caught, start(project, "deploy") as run:
        raise FailedRestored("api is unhealthy", where="web1", now="1.0.0 serves", hint="inv status", details=("log",))
    out = capsys.readouterr().out
    assert out.count("api is unhealthy") == 1
    assert "  where  web1\n  now    1.0.0 serves\n  next   inv status\n    log\n" in out
    assert caught.value.reported
    assert events(run.folder)[-1]["exit_code"] == 4


def test_an_unknown_error_is_one_line_and_a_file(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    secrets = Secrets()
    secrets.add("hunter22")
    with pytest.raises(Failed) as caught, start(project, "deploy", secrets=secrets) as run:
        raise KeyError("hunter22")
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "hunter22" not in out + err
    assert "deploy met an error that it does not know: KeyError: '***'" in out
    trace = run.folder / "traceback.txt"
    assert os.path.relpath(trace) in out.replace("\n         ", "")
    assert "KeyError" in trace.read_text()
    assert "hunter22" not in trace.read_text()
    assert trace.stat().st_mode & 0o777 == 0o600
    assert caught.value.exit_code == 1


def test_debug_shows_the_traceback(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPTASKS_DEBUG", "1")
    secrets = Secrets()
    secrets.add("hunter22")
    with pytest.raises(Failed), start(project, "deploy", secrets=secrets):
        raise KeyError("hunter22")
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "hunter22" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_an_interruption(project: Project, capsys: pytest.CaptureFixture[str], number: int) -> None:
    with pytest.raises(Interrupted) as caught, start(project, "deploy") as run:
        os.kill(os.getpid(), number)
    assert caught.value.exit_code == 130
    assert events(run.folder)[-1]["outcome"] == "interrupted"
    assert "deploy was interrupted" in capsys.readouterr().out


def test_the_capabilitys_own_word_on_an_interruption_stands(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    def roll_out() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise Interrupted("stopped in the middle of the rollout", now="1.0.0 serves; the lock is gone") from None

    with pytest.raises(Interrupted), start(project, "deploy"):
        roll_out()
    assert "now    1.0.0 serves; the lock is gone" in capsys.readouterr().out


@pytest.mark.parametrize("error", [None, Failed("no", hint="inv check")])
def test_in_json_stdout_holds_one_document(
    project: Project, capsys: pytest.CaptureFixture[str], error: Failed | None
) -> None:
    def body() -> None:
        with start(project, "verify", environment="local", format="json") as run:
            run.secrets.add("hunter22")
            run.result = {"checks": ["a hunter22"]}
            run.show("for people")
            with run.bus.step("x") as step:
                step.output("noise")
            if error:
                raise error

    if error:
        with pytest.raises(Failed):
            body()
    else:
        body()
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["result"] == {"checks": ["a ***"]}
    assert document["exit_code"] == (1 if error else 0)
    assert document["outcome"] == ("failed" if error else "ok")
    assert (document["error"] or {}).get("next") == ("inv check" if error else None)
    assert (document["task"], document["project"], document["environment"]) == ("verify", "shop", "local")
    assert "for people" in err
    assert "verify shop to local" in err


def test_a_run_inside_a_run_is_part_of_it(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    with start(project, "release") as outer:
        with start(project, "check") as inner, inner.bus.step("y"):
            pass
        with pytest.raises(Failed), start(project, "build"):
            raise Failed("caught by the outer one")
    assert inner.folder == outer.folder
    kinds = [event["event"] for event in events(outer.folder)]
    assert kinds == ["RunStarted", "StepStarted", "StepFinished", "RunFinished"]
    assert "caught by the outer one" not in capsys.readouterr().out


def test_a_state_folder_that_cannot_be_made_is_said_before_anything_runs(project: Project) -> None:
    project.state_dir.write_text("a file in its place")
    with pytest.raises(Failed) as caught, start(project, "check"):
        raise AssertionError("the body ran")
    assert caught.value.what.startswith("the run log cannot be written")
    assert caught.value.now == "nothing was run"


def test_the_log_survives_a_closed_stdout(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    gone = os.fdopen(writer, "w")
    monkeypatch.setattr("sys.stdout", gone)
    with start(project, "check") as run, run.bus.step("x"):
        pass
    monkeypatch.undo()
    assert events(run.folder)[-1]["event"] == RunFinished.__name__
    with pytest.raises(BrokenPipeError):
        gone.close()


def test_quiet_and_verbose_reach_the_person(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    for quiet, verbose in ((True, False), (False, True)):
        with start(project, "check", quiet=quiet, verbose=verbose) as run, run.bus.step("lint words") as step:
            step.output("as it comes")
    quiet_out, verbose_out = capsys.readouterr().out.split("check shop")
    assert re.fullmatch(r"\d\d:\d\d:\d\d ✓ check done in \d\.\ds\n\d\d:\d\d:\d\d ", quiet_out)
    assert "\nlint words: as it comes\n" in verbose_out


def test_on_github_the_job_gets_a_summary(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    with start(project, "check") as run, run.bus.step("lint words"):
        run.secrets.add("hunter22")
        run.bus.notice("hunter22")
    assert "| ✅ | lint words | 0.0s |" in (tmp_path / "summary.md").read_text()
    assert capsys.readouterr().out.startswith("check shop\n***\n")


def test_a_summary_that_cannot_be_written_fails_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "nowhere" / "summary.md"))
    with start(project, "check") as run, run.bus.step("lint words"):
        pass
    out, err = capfd.readouterr()
    assert "✓ check done" in out
    assert err.startswith("shiptasks: StepSummary stopped: [Errno 2] No such file or directory")
