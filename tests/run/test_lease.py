"""A lease is held while its run lives, and by nobody afterwards, however it ended."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shiptasks.errors import Failed
from shiptasks.run.lease import NAME, Lease, claimed, identity, is_dead, owe, owed
from shiptasks.run.runlog import new_folder

RUN = "20261121T003412Z-00000{}"

HOLD = """
import sys, time
from pathlib import Path
from shiptasks.run.lease import Lease
lease = Lease.take(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return new_folder(tmp_path / ".shiptasks", RUN.format(1))


@contextmanager
def holder(folder: Path, script: str = HOLD) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_one_that_is_held_is_not_dead_for_this_process_nor_for_others(folder: Path) -> None:
    lease = Lease.take(folder)
    assert lease.held
    assert not is_dead(folder / NAME)
    script = "import sys, pathlib; from shiptasks.run import lease; print(lease.is_dead(pathlib.Path(sys.argv[1])))"
    said = subprocess.run(
        [sys.executable, "-c", script, str(folder / NAME)], capture_output=True, text=True, check=True
    )
    assert said.stdout == "False\n"


def test_a_released_one_leaves_nothing(folder: Path) -> None:
    lease = Lease.take(folder)
    lease.release()
    assert not lease.held
    assert list(folder.iterdir()) == []
    lease.release()


def test_the_kernel_lets_go_of_that_of_a_killed_run(folder: Path) -> None:
    with holder(folder) as process:
        assert not is_dead(folder / NAME)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (folder / NAME).exists()
        assert is_dead(folder / NAME)


def test_children_do_not_keep_it(folder: Path) -> None:
    script = HOLD.replace(
        'print("held"',
        'import subprocess; child = subprocess.Popen(["sleep", "60"], close_fds=False, start_new_session=True)\n'
        'Path(sys.argv[1], "child").write_text(str(child.pid)); print("held"',
    )
    with holder(folder, script) as process:
        child = int((folder / "child").read_text())
        try:
            process.kill()
            process.wait()
            assert is_dead(folder / NAME)
        finally:
            os.kill(child, signal.SIGKILL)


def test_one_that_is_not_there_is_dead(folder: Path) -> None:
    assert is_dead(folder / NAME)
    with claimed(folder / NAME) as got:
        assert not got, "there is nothing to claim"


def test_only_one_at_a_time_claims_a_dead_one(folder: Path) -> None:
    (folder / NAME).touch()
    with claimed(folder / NAME) as first, claimed(folder / NAME) as second:
        assert (first, second) == (True, False)


def test_one_that_another_sweep_has_removed_is_not_claimed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / NAME).touch()
    real = fcntl.flock

    def slow(descriptor: int, how: int) -> None:
        (folder / NAME).unlink()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with claimed(folder / NAME) as got:
        assert not got


def test_where_the_file_system_has_no_locks_nothing_is_dead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert Lease.take(folder).held
    assert not is_dead(folder / NAME)


def test_a_link_is_never_a_lease(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    (folder / NAME).symlink_to(tmp_path / "other")
    assert not is_dead(folder / NAME)


def test_inside_a_run_that_holds_it_nothing_is_taken_and_nothing_released(folder: Path) -> None:
    outer = Lease.take(folder)
    inner = Lease.take(folder)
    assert not inner.held
    assert inner.run_id == outer.run_id == folder.name
    inner.release()
    assert not is_dead(folder / NAME)
    assert (folder / NAME).exists()


def test_one_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="the lease of the run cannot be written: No such file or directory") as caught:
        Lease.take(tmp_path / ".shiptasks" / "runs" / "gone")
    assert caught.value.where == str(tmp_path / ".shiptasks" / "runs" / "gone" / NAME)
    assert caught.value.now == "nothing was run"


def test_a_run_that_owes_something_leaves_its_lease_for_the_next(folder: Path) -> None:
    lease = Lease.take(folder)
    note = owe(folder, "folder", "/tmp/st-000000")
    assert owed(folder) == owed(folder, "folder") == [note]
    assert owed(folder, "containers") == []
    lease.release()
    assert is_dead(folder / NAME)
    assert (folder / NAME).exists()


def test_folders_of_runs_that_live_or_owe_are_not_pruned(tmp_path: Path) -> None:
    state = tmp_path / ".shiptasks"
    first, second, third = (new_folder(state, RUN.format(number)) for number in (1, 2, 3))
    (first / NAME).touch()
    lease = Lease.take(second)
    fourth = new_folder(state, RUN.format(4), keep=1)
    assert sorted((state / "runs").iterdir()) == [first, second, fourth]
    assert third not in (state / "runs").iterdir()
    lease.release()


def test_the_label_tells_checkouts_and_their_runs_apart(folder: Path, tmp_path: Path) -> None:
    lease = Lease.take(folder)
    who, _, path = lease.label.partition(":")
    assert path == str(folder / NAME)
    assert who == identity(tmp_path)
    other = tmp_path / "copy"
    other.mkdir()
    before = identity(other)
    assert before != who
    other.rename(tmp_path / "moved")
    assert identity(tmp_path / "moved") == before
