"""Processes are found by their mark wherever they have gone, and ended; all others are left alone."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.run import marked
from tests.run.pids import alive, gone, read_pid

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""


@pytest.fixture
def run_id() -> str:
    return f"20261121T003412Z-{secrets.token_hex(3)}"


@pytest.fixture
def started() -> Iterator[list[int]]:
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def spawn(script: str, run_id: str, *args: str, new_session: bool = True) -> subprocess.Popen[bytes]:
    env = {**os.environ, marked.MARK: run_id}
    return subprocess.Popen([sys.executable, "-c", script, *args], env=env, start_new_session=new_session)


def test_a_daemon_that_has_left_its_session_and_parent_is_ended(
    tmp_path: Path, run_id: str, started: list[int]
) -> None:
    assert spawn(DAEMON, run_id, str(tmp_path / "pid")).wait() == 0
    pid = read_pid(tmp_path / "pid")
    started.append(pid)
    assert os.getsid(pid) != os.getsid(0)
    assert [each.pid for each in marked.find({run_id})] == [pid]
    assert marked.end({run_id}) == marked.Ended(1, ())
    assert gone(pid)
    assert marked.end({run_id}) == marked.Ended(0, ())


def test_one_that_ignores_sigterm_or_is_stopped_is_killed(tmp_path: Path, run_id: str, started: list[int]) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN){DAEMON}"
    for name, script in (("deaf", deaf), ("stopped", DAEMON)):
        spawn(script, run_id, str(tmp_path / name)).wait()
        started.append(read_pid(tmp_path / name))
    os.kill(started[1], signal.SIGSTOP)
    assert marked.end({run_id}, grace=0.2) == marked.Ended(2, ())
    assert all(map(gone, started))


def test_what_a_marked_one_started_without_the_mark_is_ended_with_it(
    tmp_path: Path, run_id: str, started: list[int]
) -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '60'], env={}, start_new_session=True)\n"
        "open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(60)"
    )
    process = spawn(script.replace("'sleep'", "'/bin/sleep'"), run_id, str(tmp_path / "pid"))
    started += [process.pid, read_pid(tmp_path / "pid")]
    assert {each.pid for each in marked.find({run_id})} == set(started)
    assert marked.end({run_id}).count == 2
    process.wait()
    assert all(map(gone, started))


def test_others_are_left_alone(tmp_path: Path, run_id: str, started: list[int]) -> None:
    process = spawn("import time; time.sleep(60)", run_id)
    started.append(process.pid)
    assert marked.end({run_id[:-1], f"{run_id}0", ""}) == marked.Ended(0, ())
    assert alive(process.pid)
    process.kill()
    process.wait()


def test_neither_itself_nor_those_around_it_nor_what_else_they_run(tmp_path: Path, run_id: str) -> None:
    """A sweep by a process that carries the mark of a dead run itself, as from a shell that its stage left."""
    script = (
        "import os, subprocess, sys\n"
        "from shiptasks.run import marked\n"
        "other = subprocess.Popen(['/bin/sleep', '60'], env={})\n"
        "print(marked.end({sys.argv[1]}), other.poll())\n"
        "other.kill()"
    )
    env = {**os.environ, marked.MARK: run_id}
    shell = f'{sys.executable} -c "{script}" {run_id}; echo shell lives'
    said = subprocess.run(["sh", "-c", shell], env=env, capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout == "Ended(count=0, stuck=()) None\nshell lives\n"


def test_a_number_that_another_process_has_got_is_not_sent_to(run_id: str, started: list[int]) -> None:
    process = spawn("import time; time.sleep(60)", run_id)
    started.append(process.pid)
    for found in marked.find({run_id}):
        earlier = marked.Process(found.pid, found.parent, str(int(found.born) - 1), found.runs)
        marked._send(earlier, signal.SIGKILL)
    assert alive(process.pid)
    process.kill()
    process.wait()


def test_the_zombie_of_a_marked_process_is_nothing_to_end(run_id: str) -> None:
    process = spawn("pass", run_id)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert marked.find({run_id}) == []
    process.wait()


def test_what_ps_prints_is_read(run_id: str, started: list[int]) -> None:
    """The way of macOS, tried with the `ps` of Linux, which prints the same columns."""
    process = spawn("import time; time.sleep(60)", run_id)
    started.append(process.pid)
    text = subprocess.run(["ps", "axeww", *marked._PS[2:]], capture_output=True, check=True).stdout.decode()
    seen = {each.pid: each for each in marked.parsed(text, frozenset({run_id}))}
    assert seen[process.pid].runs == {run_id}
    assert seen[process.pid].parent == os.getpid()
    assert re.fullmatch(r"\w{3} \w{3} .\d [\d:]{8} \d{4}", seen[process.pid].born)
    assert [pid for pid, each in seen.items() if each.runs] == [process.pid]
    assert os.getpid() in seen
    process.kill()
    process.wait()


@given(st.text())
def test_whatever_ps_prints_is_no_error(text: str) -> None:
    for each in marked.parsed(text, frozenset({"a"})):
        assert each.pid >= 0
