from __future__ import annotations

import json
from pathlib import Path

from shiptasks.run.events import Bus, RunFinished
from shiptasks.run.runlog import KEEP, RunLog, new_folder, new_run_id


def test_every_event_is_a_line_at_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    bus = Bus(log)
    with bus.step("x") as step:
        for number in range(100):
            step.output(f"line {number} \u2028 ä \ud800")
        lines = log.path.read_text(encoding="utf-8").split("\n")  # nothing was closed yet
        assert len(lines) == 102
    assert json.loads(lines[1])["line"].startswith("line 0")
    kinds = [json.loads(line)["event"] for line in log.path.read_text(encoding="utf-8").split("\n") if line]
    assert kinds == ["StepStarted", *["StepOutput"] * 100, "StepFinished"]
    bus.emit(RunFinished(outcome="ok", seconds=1, exit_code=0))


def test_folder_and_file_are_for_the_owner_only(tmp_path: Path) -> None:
    folder = new_folder(tmp_path / ".shiptasks", new_run_id())
    RunLog(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "events.jsonl").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".shiptasks" / ".gitignore").read_text() == "*\n"


def test_the_last_fifty_runs_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    (runs / "mine").mkdir(parents=True)
    old = [f"20200101T0000{number:02d}Z-abcdef" for number in range(60)]
    for name in old:
        (runs / name).mkdir()
        (runs / name / "events.jsonl").write_text("{}\n")
    folder = new_folder(tmp_path, new_run_id())
    left = sorted(entry.name for entry in runs.iterdir())
    assert left == [*old[-(KEEP - 1) :], folder.name, "mine"]


def test_run_ids_sort_by_time_and_differ() -> None:
    assert len({new_run_id() for _ in range(100)}) == 100
