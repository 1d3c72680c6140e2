from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from shiptasks.run.events import Bus, RunFinished
from shiptasks.run.runlog import KEEP, RunLog, folders, new_folder, new_run_id


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


def test_lines_that_come_at_once_are_a_line_each_of_the_log(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    with Bus(log).step("x") as step:
        step.lines(['quote " back \\ \u2028', "", "\udce4 \x1b[31m"], "stderr")
        lines = log.path.read_bytes().splitlines()
    told = [json.loads(line) for line in lines[1:]]
    assert [each["line"] for each in told] == ['quote " back \\ \u2028', "", "\udce4 \x1b[31m"]
    assert {key: told[0][key] for key in ("event", "step", "stream")} == {
        "event": "StepOutput",
        "step": "001",
        "stream": "stderr",
    }
    assert set(told[0]) == {"event", "at", "step", "line", "stream"}


FULL = """
import resource, signal, sys
from pathlib import Path
from shiptasks.run.events import Bus, RunFinished
from shiptasks.run.runlog import RunLog

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
bus = Bus(RunLog(Path(sys.argv[1])))
with bus.step("loud") as step:
    for number in range(5_000):
        step.output(f"line {number}")
bus.emit(RunFinished(outcome="ok", seconds=1, exit_code=0))
print("the run went on")
"""


def test_a_full_disk_ends_the_log_after_a_whole_line_and_never_the_run(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "the run went on\n")
    assert done.stderr == "shiptasks: the run log ends here (File too large); the run goes on\n"
    text = (tmp_path / "events.jsonl").read_text()
    assert text.endswith("}\n")
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(text) > 99_000
    assert lines[-1]["line"] == f"line {len(lines) - 2}"


def test_another_number_of_runs_is_kept(tmp_path: Path) -> None:
    made = [new_folder(tmp_path, f"20200101T00000{number}Z-abcdef", keep=3) for number in range(5)]
    assert folders(tmp_path) == made[2:]
    assert folders(tmp_path / "nowhere") == []
    last = new_folder(tmp_path, "20210101T000000Z-abcdef", keep=0)
    assert folders(tmp_path) == [last]
