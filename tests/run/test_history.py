from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.errors import UsageError
from shiptasks.run import history
from shiptasks.run.events import Bus, RunFinished, RunStarted, StepOutput
from shiptasks.run.lease import Lease
from shiptasks.run.runlog import RunLog, new_folder
from tests.run.recorded import begun, ended

FIRST, SECOND, THIRD = "20261121T081320Z-3f9ac1", "20261121T091500Z-aaaaaa", "20261122T091500Z-bbbbbb"


def a_run(state_dir: Path, run_id: str, *, ends: bool = True) -> Path:
    folder = new_folder(state_dir, run_id)
    bus = Bus(RunLog(folder))
    for event in begun():
        bus.emit(event)
    bus.output("3", ["\x1b[31mraw \u2028 line", "", 'quote "'], "stderr")
    if ends:
        for event in ended():
            bus.emit(event)
    return folder


def test_runs_are_listed_the_last_one_first(tmp_path: Path) -> None:
    for run_id in (FIRST, SECOND, THIRD):
        a_run(tmp_path, run_id, ends=run_id != SECOND)
    last, cut, first = history.runs(tmp_path)
    assert [each.id for each in (last, cut, first)] == [THIRD, SECOND, FIRST]
    assert (first.task, first.project, first.at) == ("check", "shop", 1_795_250_000.0)
    assert (first.outcome, first.exit_code, first.seconds, first.summary) == ("failed", 1, 5.2, "4 of 7 passed")
    assert (cut.outcome, cut.exit_code, cut.seconds) == ("did not end", None, None)
    assert history.runs(tmp_path / "nowhere") == []


def test_runs_of_one_second_are_in_order_too(tmp_path: Path) -> None:
    for at, name in ((1.5, "20261121T081320Z-000000"), (1.2, "20261121T081320Z-ffffff")):
        bus = Bus(RunLog(new_folder(tmp_path, name)))
        bus.emit(RunStarted(run_id=name, task="check", project="shop", at=at))
    assert [each.at for each in history.runs(tmp_path)] == [1.5, 1.2]
    assert history.find(tmp_path).at == 1.5


def test_a_run_without_an_end_lives_or_was_killed(tmp_path: Path) -> None:
    folder = a_run(tmp_path / ".shiptasks", FIRST, ends=False)
    lease = Lease.take(folder)
    assert history.find(tmp_path / ".shiptasks").outcome == "running"
    lease.release()
    (folder / "lease").touch()  # as after kill -9
    assert history.find(tmp_path / ".shiptasks").outcome == "killed"


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    for run_id in (FIRST, SECOND, THIRD):
        a_run(tmp_path, run_id)
    assert history.find(tmp_path).id == THIRD
    assert history.find(tmp_path, "20261121T09").id == SECOND
    with pytest.raises(UsageError) as caught:
        history.find(tmp_path, "20261121")
    assert caught.value.what == "2 runs have an id that begins with '20261121'"
    assert caught.value.hint == f"give more of it: {FIRST}, {SECOND}"
    with pytest.raises(UsageError) as caught:
        history.find(tmp_path, "../..")
    assert caught.value.what == "no run has an id that begins with '../..'"
    with pytest.raises(UsageError) as caught:
        history.find(tmp_path / "nowhere")
    assert caught.value.what == "no run is kept here yet"


def test_what_was_told_is_read_again(tmp_path: Path) -> None:
    folder = a_run(tmp_path, FIRST)
    again = list(history.told(folder))
    told = [*begun(), *ended()]
    assert [event for event in again if not isinstance(event, StepOutput)] == [
        event for event in told if not isinstance(event, StepOutput)
    ]
    assert not any(isinstance(event, StepOutput) for event in history.told(folder, output=False))


@pytest.mark.parametrize(
    ("word", "ids"),
    [
        ("lint.ruff", ["lint.ruff"]),
        ("test", ["test.unit", "test.web", "test.integration"]),
        ("lint", ["lint.ruff", "lint.mypy", "lint.yamllint", "lint.format"]),
    ],
)
def test_a_stage_or_all_of_a_kind(tmp_path: Path, word: str, ids: list[str]) -> None:
    found = history.results(a_run(tmp_path, FIRST))
    assert [each.id for each in history.stages(found, word)] == ids


def test_a_stage_that_was_not_in_it(tmp_path: Path) -> None:
    found = history.results(a_run(tmp_path, FIRST))
    with pytest.raises(UsageError) as caught:
        history.stages(found, "lint.ruf")
    assert caught.value.what == "that run has no stage 'lint.ruf'"
    assert caught.value.where == FIRST
    assert caught.value.hint.startswith("its stages are: lint.ruff, lint.mypy, test.unit")


def test_output_is_as_it_was(tmp_path: Path) -> None:
    folder = a_run(tmp_path, FIRST)
    assert list(history.output(folder, "3"))[:3] == ["\x1b[31mraw \u2028 line", "", 'quote "']
    assert list(history.output(folder, "2")) == ["\x1b[32mchecking\x1b[0m the worker\x07"]
    assert list(history.output(folder, "nobody")) == []


def test_a_log_that_is_cut_off_or_from_another_version_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = new_folder(tmp_path, FIRST)
    bus = Bus(RunLog(folder))
    bus.emit(RunStarted(run_id=FIRST, task="check", project="shop"))
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"event": "FromLater", "x": 1}\n')
        file.write(b'{"event": "Notice", "text": "hello", "level": "info", "at": 1.0, "new": 2}\n')
        file.write(b'[1, 2]\n"x"\n\xff\xfe\n{"event": "StepStarted"}\n{"event": "RunFinished", "outcome"')
    assert [type(event).__name__ for event in history.told(folder)] == ["RunStarted", "Notice"]
    assert history.find(tmp_path).outcome == "did not end"


def test_a_folder_without_a_log_is_a_run_of_which_nothing_is_known(tmp_path: Path) -> None:
    new_folder(tmp_path, FIRST)
    (past,) = history.runs(tmp_path)
    assert (past.id, past.task, past.at, past.outcome) == (FIRST, "", 0.0, "did not end")
    assert list(history.told(past.folder)) == []


def test_the_last_event_is_found_behind_a_long_log(tmp_path: Path) -> None:
    folder = new_folder(tmp_path, FIRST)
    bus = Bus(RunLog(folder))
    with bus.step("x") as step:
        step.lines(["x" * 60_000] * 20)
    bus.emit(RunFinished(outcome="ok", seconds=1, exit_code=0, summary="fine"))
    assert (folder / "events.jsonl").stat().st_size > 1_000_000
    assert history.find(tmp_path).summary == "fine"
