"""The lock, held by real shells of this machine."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shiptasks.deploy import flock
from shiptasks.deploy.layout import Layout
from shiptasks.deploy.lock import Lock
from shiptasks.deploy.on_host import Names
from shiptasks.errors import Refused
from shiptasks.hosts.base import HostError
from shiptasks.hosts.local import LocalHost

ADA, BOB = Names("d1", "1.0.0", "ada@laptop"), Names("d2", "1.1.0", "bob@ci")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "it's a $HOME" / "shop"))


@pytest.fixture
def host() -> Iterator[LocalHost]:
    host = LocalHost()
    yield host
    host.close()


def test_one_at_a_time_and_the_second_is_told_of_the_first(host: LocalHost, layout: Layout) -> None:
    first, second = Lock(host, "local", layout), Lock(host, "local", layout)
    first.acquire(ADA)
    with pytest.raises(Refused) as caught:
        second.acquire(BOB)
    assert caught.value.what == "another deploy is running"
    assert caught.value.now.startswith("it runs by ada@laptop, of 1.0.0, since 20")
    assert "(0 min " in caught.value.now
    first.release()
    assert not Path(layout.lock_info).exists()
    second.acquire(BOB)
    second.release()


def test_waiting(host: LocalHost, layout: Layout) -> None:
    first, second = Lock(host, "local", layout), Lock(host, "local", layout)
    first.acquire(ADA)
    began = time.monotonic()
    with pytest.raises(Refused):
        second.acquire(BOB, wait=0.5)
    assert time.monotonic() - began >= 0.5
    first.release()
    second.acquire(BOB, wait=5)
    second.release()


def test_no_lock_outlives_its_owner(layout: Layout) -> None:
    gone, host = LocalHost(), LocalHost()
    try:
        Lock(gone, "local", layout).acquire(ADA)
        gone.close()
        lock = Lock(host, "local", layout)
        lock.acquire(BOB)
        lock.release()
    finally:
        host.close()


def test_somebody_who_left_no_name(host: LocalHost, layout: Layout) -> None:
    first, second = Lock(host, "local", layout), Lock(host, "local", layout)
    first.acquire(ADA)
    Path(layout.lock_info).write_text("{")
    with pytest.raises(Refused) as caught:
        second.acquire(BOB)
    assert "by somebody who left no name" in caught.value.now
    first.release()


def test_release_is_safe_at_any_time(host: LocalHost, layout: Layout) -> None:
    lock = Lock(host, "local", layout)
    lock.release()
    lock.acquire(ADA)
    host.close()
    lock.release()
    lock.release()


def test_folder_that_cannot_be_made(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError) as caught:
        Lock(host, "local", Layout(str(tmp_path / "file" / "shop"))).acquire(ADA)
    assert caught.value.what == "the lock could not be taken"
    assert "must be able to write to" in caught.value.hint


def test_what_a_shell_runs_holds_its_lock_longer_than_the_shell(host: LocalHost, layout: Layout) -> None:
    """As after SIGKILL: nobody talks to the shell any more, and what it runs goes on."""
    Path(layout.base).mkdir(parents=True)
    shell = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, text=True)
    assert shell.stdin is not None
    shell.stdin.write(flock.script(layout.turn, 8) + "\n( sleep 1 )\n")
    shell.stdin.flush()
    time.sleep(0.3)
    shell.stdin.close()
    with host.session() as session:
        assert not flock.take(session, layout.turn, 8)
        began = time.monotonic()
        assert flock.take(session, layout.turn, 8, wait=10)
        assert 0.3 < time.monotonic() - began < 3
    shell.wait()


def test_perl_where_there_is_no_flock(layout: Layout) -> None:
    Path(layout.base).mkdir(parents=True)
    script = flock.script(layout.lock, 9).replace("command -v flock", "command -v no-such-program")
    holder = subprocess.Popen(["sh", "-c", f"{script}\necho $?; cat >/dev/null"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "0\n"
    for other in (script, flock.script(layout.lock, 9)):
        assert subprocess.run(["sh", "-c", other]).returncode == 75
    holder.communicate("")
    assert subprocess.run(["sh", "-c", script]).returncode == 0
