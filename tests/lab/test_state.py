"""What the lab remembers: a recycled pid is nobody's, a file is old or new, one change at a time."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.lab import packages, state


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPTASKS_LAB_HOME", str(tmp_path))


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[state.Process]:
    process = state.spawn("sleeper", ["/bin/sleep", "60"], tmp_path / "log")
    yield process
    state.send(process, signal.SIGKILL)
    assert state.wait_end(process, 5)


def test_stop_ends_the_recorded_process(sleeper: state.Process) -> None:
    assert state.running("sleeper") == sleeper
    assert state.stop("sleeper")
    assert state.start_time(sleeper.pid) is None
    assert state.recall("sleeper") is None
    assert not state.stop("sleeper")


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another boot"}])
def test_recycled_pid_is_not_touched(sleeper: state.Process, change: dict[str, object], tmp_path: Path) -> None:
    stale = dataclasses.replace(sleeper, **change)  # type: ignore[arg-type]
    state.write(tmp_path / "processes" / "sleeper.json", json.dumps(asdict(stale)))
    assert state.running("sleeper") is None
    assert not state.stop("sleeper")
    time.sleep(0.1)
    assert state.start_time(sleeper.pid) == sleeper.started


def test_program_name_with_brackets_does_not_confuse_the_start_time(tmp_path: Path) -> None:
    odd = tmp_path / "a) S 1 (b"
    odd.symlink_to("/bin/sleep")
    process = state.spawn("odd", [str(odd), "60"], tmp_path / "log")
    assert state.alive(process)
    assert abs(process.started / os.sysconf("SC_CLK_TCK") - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5
    assert state.stop("odd")


def test_ended_but_unburied_process_counts_as_ended() -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        limit = time.monotonic() + 5
        while state.start_time(child.pid) is not None:
            assert time.monotonic() < limit
            time.sleep(0.01)
        assert Path(f"/proc/{child.pid}/stat").exists()


def test_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    argv = ["/bin/bash", "-c", "trap '' TERM; touch " + str(tmp_path / "ready") + "; while :; do sleep 0.1; done"]
    process = state.spawn("stubborn", argv, tmp_path / "log")
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    assert state.stop("stubborn", grace=0.3)
    assert not state.alive(process)


def test_second_change_waits_for_the_first() -> None:
    script = (
        "from tests.lab import state\n"
        "with state.locked(lambda text: print(text, flush=True)): print('second', flush=True)\n"
    )
    command, root = [sys.executable, "-c", script], Path(__file__).parents[2]
    with state.locked(print):
        other = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert "waiting" in other.stdout.readline()
        time.sleep(0.2)
        assert other.poll() is None
    assert other.communicate(timeout=10)[0] == "second\n"
    assert other.returncode == 0


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    state.write(target, "old", 0o600)
    with pytest.raises(UnicodeEncodeError):
        state.write(target, "half \ud800")
    assert target.read_text() == "old"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


DEB822 = """Types: deb
URIs: http://mirror.invalid/other
Suites: elsewhere
Components: main

Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/x.gpg
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("debian.sources", DEB822),
        (
            "a.list",
            "# c\ndeb [signed-by=/usr/share/keyrings/x.gpg] http://mirror.invalid/debian bookworm main contrib\n",
        ),
    ],
)
def test_newer_suite_comes_from_the_machines_own_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    monkeypatch.setattr(packages, "SOURCES", tmp_path)
    monkeypatch.setattr(packages, "distribution", lambda: ("debian", "bookworm"))
    rest = "Components: main contrib\nSigned-By: /usr/share/keyrings/x.gpg\n"
    assert packages.main_stanza() == ("http://mirror.invalid/debian", "bookworm", rest)
