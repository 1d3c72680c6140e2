"""The same on several hosts: order, bounds, failures and interrupts."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from shiptasks.hosts import Host, HostError, ScriptFailed
from shiptasks.hosts.fleet import each, values
from shiptasks.hosts.local import LocalHost
from tests.hosts.watch import alive, eventually


class Named(LocalHost):
    """This machine under another name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


@pytest.fixture
def hosts() -> Iterator[tuple[Host, ...]]:
    some = tuple(Named(f"web{number}") for number in range(6))
    yield some
    for host in some:
        host.close()


def _say(host: Host, script: str) -> str:
    with host.session() as session:
        return session.run(script).stdout


def test_results_come_in_the_order_of_the_hosts(hosts: tuple[Host, ...]) -> None:
    def act(host: Host) -> str:
        return _say(host, f"sleep 0.{6 - int(host.name[-1])}; echo {host.name}")

    began = time.monotonic()
    outcomes = each(hosts, act)
    assert time.monotonic() - began < 1.5
    assert [outcome.host for outcome in outcomes] == list(hosts)
    assert values(outcomes) == tuple(f"web{number}\n" for number in range(6))


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_no_more_at_once_than_allowed(hosts: tuple[Host, ...], at_once: int) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def act(host: Host) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1

    each(hosts, act, at_once=at_once)
    assert most == at_once


def test_no_hosts_and_no_room(hosts: tuple[Host, ...]) -> None:
    assert each((), lambda host: 1) == ()
    with pytest.raises(ValueError, match="at_once"):
        each(hosts, lambda host: 1, at_once=0)


def test_every_failure_is_collected(hosts: tuple[Host, ...]) -> None:
    def act(host: Host) -> str:
        return _say(host, "echo 'no room' >&2; exit 9" if host.name in ("web1", "web4") else "echo fine")

    outcomes = each(hosts, act)
    assert [outcome.value for outcome in outcomes] == ["fine\n", None, "fine\n", "fine\n", None, "fine\n"]
    assert all(outcome.ran for outcome in outcomes)
    with pytest.raises(HostError) as caught:
        values(outcomes)
    assert caught.value.what == "it failed on 2 of 6 hosts"
    assert caught.value.where == "web1, web4"
    assert caught.value.details[:4] == (
        "web0: done",
        "web1: a script on web1 ended with exit code 9",
        "  no room",
        "web2: done",
    )


def test_the_only_host_fails_with_its_own_error(hosts: tuple[Host, ...]) -> None:
    with pytest.raises(ScriptFailed):
        values(each(hosts[:1], lambda host: _say(host, "exit 1")))


def test_no_further_host_is_begun_after_a_failure(hosts: tuple[Host, ...]) -> None:
    begun: list[str] = []

    def act(host: Host) -> str:
        begun.append(host.name)
        return _say(host, "exit 1" if host.name == "web2" else "echo fine")

    outcomes = each(hosts, act, at_once=1, keep_going=False)
    assert begun == ["web0", "web1", "web2"]
    assert [outcome.ran for outcome in outcomes] == [True, True, True, False, False, False]
    with pytest.raises(HostError) as caught:
        values(outcomes)
    assert "web5: not begun" in caught.value.details


def test_an_interrupt_ends_the_scripts_on_every_host(hosts: tuple[Host, ...]) -> None:
    pids: list[int] = []
    steps: list[str] = []

    def act(host: Host) -> None:
        for _ in range(50):
            with host.session() as session:
                steps.append(host.name)
                session.run(
                    "sleep 1000 & echo $!; wait", on_line=lambda line, stream: pids.append(int(line)), check=False
                )

    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        each(hosts, act, at_once=4)
    assert time.monotonic() - began < 4
    assert len(pids) == 4
    assert eventually(lambda: not any(alive(pid) for pid in pids))
    assert sorted(steps) == ["web0", "web1", "web2", "web3"]
    assert _say(hosts[0], "echo on") == "on\n"
