"""What a run leaves is removed at its end or by the next one; what lives, or is not ours, is never touched.

Containers are in tests/lab/test_check_containers.py.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shiptasks.errors import Failed
from shiptasks.run import leftovers
from shiptasks.run.lease import NAME, claimed, owe, owed
from shiptasks.run.leftovers import environ, owned, remove_temporary, sweep, temporary
from shiptasks.run.runlog import new_folder, new_run_id
from tests.run.pids import alive, gone, read_pid

RUNNER = """
import subprocess, sys, time, os
from pathlib import Path
from shiptasks.run.leftovers import environ, owned, temporary
from shiptasks.run.runlog import new_folder, new_run_id

DAEMON = '''
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
'''
state, pid_file, end = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
folder = new_folder(state, new_run_id())
with owned(folder, print) as lease:
    inside = temporary(folder)
    (inside / "file").touch()
    env = {**os.environ, **environ(lease), "TMPDIR": str(inside)}
    subprocess.run([sys.executable, "-c", DAEMON, pid_file], env=env, check=True)
    while not (os.path.exists(pid_file) and open(pid_file).read()):
        time.sleep(0.01)
    print(inside, flush=True)
    if end == "wait":
        time.sleep(60)
    if end == "raise":
        raise KeyboardInterrupt
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / ".shiptasks"


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "pid"
    yield path
    if path.exists():
        with suppress(ProcessLookupError):
            os.kill(int(path.read_text()), signal.SIGKILL)


def runner(state: Path, daemon: Path, end: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", RUNNER, str(state), str(daemon), end]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def made_in(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def killed(state: Path) -> Path:
    """The folder of a run that was killed and left nothing but its lease."""
    folder = new_folder(state, new_run_id())
    (folder / NAME).touch()
    return folder


def test_the_daemon_and_temporary_folder_of_a_killed_run_are_removed(
    state: Path, daemon: Path, told: list[str]
) -> None:
    with runner(state, daemon, "wait") as process:
        inside = made_in(process)
        pid = read_pid(daemon)
        sweep(state, told.append)
        assert alive(pid), "its run lives"
        assert inside.is_dir()
        assert told == []
        process.kill()
    assert alive(pid)
    sweep(state, told.append)
    assert gone(pid)
    assert not inside.exists()
    assert told == ["removed what 1 killed run left: 1 process, 1 temporary folder"]
    sweep(state, told.append)
    assert len(told) == 1
    assert list(state.glob(f"runs/*/{NAME}")) == []


@pytest.mark.parametrize("end", ["well", "raise"])
def test_a_run_removes_what_it_made_itself(end: str, state: Path, daemon: Path) -> None:
    with runner(state, daemon, end) as process:
        inside = made_in(process)
        assert process.wait() == (0 if end == "well" else -signal.SIGINT)
    assert gone(read_pid(daemon))
    assert not inside.exists()
    (folder,) = (state / "runs").iterdir()
    assert list(folder.iterdir()) == []


def test_with_nothing_left_a_sweep_is_cheap_and_asks_nobody(state: Path, told: list[str]) -> None:
    for _ in range(50):
        new_folder(state, new_run_id())
    with owned(new_folder(state, new_run_id()), told.append):
        took = []
        for _ in range(5):
            began = time.perf_counter()
            sweep(state, told.append)
            took.append(time.perf_counter() - began)
    assert min(took) < 0.01
    assert told == []
    script = (
        "import sys; from pathlib import Path; from shiptasks.run.leftovers import sweep\n"
        "sweep(Path(sys.argv[1]), print); print({'docker', 'requests', 'pydantic', 'rich'} & set(sys.modules))"
    )
    killed(state)
    said = subprocess.run([sys.executable, "-c", script, str(state)], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def test_a_repository_that_nothing_ran_in_has_nothing_to_sweep(state: Path, told: list[str]) -> None:
    sweep(state, told.append)
    assert told == []
    assert not state.exists()


def test_inside_a_run_the_inner_end_leaves_the_outer_one_alone(state: Path, temp: Path, told: list[str]) -> None:
    folder = new_folder(state, new_run_id())
    with owned(folder, told.append) as outer:
        kept = temporary(folder)
        with owned(folder, told.append) as inner:
            assert not inner.held
            assert environ(inner) == environ(outer) == {"SHIPTASKS_RUN": folder.name}
        assert kept.is_dir()
        assert outer.held
    assert list(temp.iterdir()) == []


def test_a_temporary_folder_is_short_private_and_noted(state: Path, temp: Path) -> None:
    folder = new_folder(state, new_run_id())
    made = temporary(folder)
    assert made.parent == temp
    assert re.fullmatch(r"st-[0-9a-f]{6}", made.name)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert [note.read_text() for note in owed(folder)] == [str(made)]


def test_a_name_that_is_taken_is_left_to_who_took_it(
    state: Path, temp: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["aaaaaa", "111111", "bbbbbb", "222222"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(names))
    (temp / "st-aaaaaa").mkdir()
    folder = state / "runs" / "one"
    folder.mkdir(parents=True)
    assert temporary(folder) == temp / "st-bbbbbb"
    assert remove_temporary(folder, told.append) == 1
    assert list(temp.iterdir()) == [temp / "st-aaaaaa"]


def test_a_temporary_folder_that_cannot_be_made(state: Path, temp: Path) -> None:
    folder = new_folder(state, new_run_id())
    temp.rmdir()
    with pytest.raises(Failed, match="a temporary folder cannot be made: No such file or directory") as caught:
        temporary(folder)
    assert caught.value.now == "nothing was run"
    assert caught.value.hint == "TMPDIR names another place for it"


def test_folders_without_the_right_to_write_are_removed_and_what_links_lead_to_is_not(
    state: Path, temp: Path, tmp_path: Path, told: list[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "kept").touch()
    folder = new_folder(state, new_run_id())
    made = temporary(folder)
    (made / "mod" / "deep").mkdir(parents=True)
    (made / "mod" / "deep" / "file").touch()
    (made / "link").symlink_to(outside)
    for path in (made / "mod" / "deep", made / "mod"):
        path.chmod(0o000)
    script = (
        "import os, sys; from pathlib import Path; from shiptasks.run.leftovers import remove_temporary\n"
        "print(remove_temporary(Path(sys.argv[1]), print))"
    )
    # Root may do everything, until it gives that up.
    as_user = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    argv = [*as_user, sys.executable, "-c", script, str(folder)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert said.stdout == "1\n", said.stderr
    assert not made.exists()
    assert (outside / "kept").exists()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o755


@pytest.mark.parametrize("kind", ["other name", "file", "link", "gone"])
def test_only_what_was_made_is_removed(kind: str, state: Path, temp: Path, told: list[str]) -> None:
    target = temp / ("precious" if kind == "other name" else "st-00000a")
    if kind == "other name":
        target.mkdir()
    elif kind == "file":
        target.write_text("precious")
    elif kind == "link":
        (temp / "precious").mkdir()
        target.symlink_to(temp / "precious")
    folder = killed(state)
    owe(folder, "folder", str(target))
    before = sorted(temp.iterdir())
    sweep(state, told.append)
    assert sorted(temp.iterdir()) == before
    assert told == []
    assert list(folder.iterdir()) == []


def test_what_cannot_be_removed_is_told_and_tried_again(
    state: Path, temp: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = killed(state)
    made = temporary(folder)

    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", refuse)
        sweep(state, told.append)
    assert told == [f"{made} cannot be removed: Operation not permitted; the next check tries again"]
    sweep(state, told.append)
    assert not made.exists()
    assert told[1:] == ["removed what 1 killed run left: 1 temporary folder"]
    assert list(folder.iterdir()) == []


def test_containers_wait_for_an_engine_that_does_not_answer(
    state: Path, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    folder = killed(state)
    note = leftovers.expect_containers(folder)
    for _ in range(2):
        sweep(state, told.append)
    assert told == 2 * ["the Docker engine does not answer: containers that a killed run left are removed when it does"]
    assert note.exists()
    assert (folder / NAME).exists()


def test_containers_on_another_engine_are_named(
    state: Path, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://build.example:2375")
    note = leftovers.expect_containers(killed(state))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    sweep(state, told.append)
    where = "tcp://build.example:2375"
    assert told == [f"a killed run may have left containers on {where}: DOCKER_HOST={where} inv check removes them"]
    assert note.exists()


def test_two_sweeps_at_once_do_the_work_once(state: Path, temp: Path, told: list[str]) -> None:
    folder = killed(state)
    temporary(folder)
    with claimed(folder / NAME) as got:
        assert got
        sweep(state, told.append)
    assert told == [], "somebody else is at it"
    sweep(state, told.append)
    assert told == ["removed what 1 killed run left: 1 temporary folder"]


def test_counts_are_in_words() -> None:
    assert [leftovers._count(*each) for each in ((1, "process"), (2, "process"), (2, "container"))] == [
        "1 process",
        "2 processes",
        "2 containers",
    ]
