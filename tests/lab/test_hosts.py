"""The host layer on real hosts: another network, another user, cables cut and machines frozen."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shiptasks.errors import Refused
from shiptasks.hosts import HostError, StepTimeout
from shiptasks.hosts.fleet import each, values
from shiptasks.hosts.sections import Ssh
from shiptasks.hosts.settings import resolve
from shiptasks.hosts.ssh import SshHost
from tests.lab import access
from tests.lab.sshhost import Host


def reach(name: str, config: Path | None = None) -> SshHost:
    settings = Ssh.model_validate({"config": str(config or access.ssh_config()), "connect-timeout": "5s"})
    return SshHost(resolve(settings, Path("/"), name))


def test_a_user_without_root(lab_host: Host) -> None:
    host = reach(f"{access.USER}@{lab_host.name}")
    with host.session() as session:
        assert session.run("hostname; id -un").stdout == f"{lab_host.name}\n{access.USER}\n"
        for size in (100, 2_000_000):
            data = os.urandom(size)
            session.put(data, f"/srv/file{size}", mode=0o600)
            path = lab_host.folder / "srv" / f"file{size}"
            assert path.read_bytes() == data
            assert (path.stat().st_mode & 0o777, path.stat().st_uid) == (0o600, access.UID)
        with pytest.raises(HostError, match="could not write") as caught:
            session.put(b"", "/etc/shiptasks-test")
        assert "denied" in " ".join(caught.value.details)
    host.close()


def test_the_engine_of_the_host_answers(lab_host: Host) -> None:
    with reach(f"{access.USER}@{lab_host.name}").session() as session:
        assert session.run("docker info --format '{{.Name}}'").stdout == f"{lab_host.name}\n"


def test_a_host_that_was_given_another_key(lab_host: Host) -> None:
    lab_host.change_host_key()
    try:
        with pytest.raises(Refused, match="has changed") as caught:
            reach(lab_host.name).session()
    finally:
        lab_host.restore_host_key()
    assert any(f"{access.known_hosts()}:" in line for line in caught.value.details)
    with reach(lab_host.name).session() as session:
        assert session.run("echo on").stdout == "on\n"


def test_a_timeout_ends_the_process_on_the_host(lab_host: Host) -> None:
    processes = ["ps", "-u", str(access.UID), "-o", "args"]
    session = reach(f"{access.USER}@{lab_host.name}").session()
    timer = threading.Timer(0.4, lambda: seen.append(lab_host.exec(processes).stdout))
    seen: list[str] = []
    timer.start()
    with pytest.raises(StepTimeout):
        session.run("(sleep 4321 & sleep 4321)", timeout=1.5)
    timer.join()
    assert seen[0].count("sleep 4321") == 2
    assert "4321" not in lab_host.exec(processes).stdout


def test_a_cut_cable_is_noticed_and_the_next_session_connects_anew(lab_host: Host) -> None:
    host = reach(lab_host.name)
    session = host.session()
    threading.Timer(0.5, lab_host.cut_network).start()
    began = time.monotonic()
    try:
        with pytest.raises(HostError, match="was lost while a script ran"):
            session.run("echo begun; sleep 200", timeout=150)
        assert 5 < time.monotonic() - began < 60
        with pytest.raises(HostError, match=r"cannot be reached|did not answer within 5 s"):
            host.session()
    finally:
        lab_host.restore_network()
    with host.session() as fresh:
        assert fresh.run("echo on").stdout == "on\n"
    host.close()


def test_a_frozen_host_is_told_after_the_connect_timeout(lab_host: Host) -> None:
    lab_host.pause()
    began = time.monotonic()
    try:
        with pytest.raises(HostError):
            reach(lab_host.name).session()
    finally:
        lab_host.resume()
    assert time.monotonic() - began < 15


def test_two_hosts_side_by_side_and_one_through_the_other(
    lab_hosts: Callable[[int], list[Host]], tmp_path: Path
) -> None:
    names = [host.name for host in lab_hosts(2)]
    hosts = [reach(name) for name in names]

    def hostname(host: SshHost) -> str:
        with host.session() as session:
            return session.run("sleep 0.2; hostname").stdout

    assert values(each(hosts, hostname)) == tuple(f"{name}\n" for name in names)

    config = tmp_path / "config"
    config.write_text(f"Host {names[1]}\n ProxyJump {names[0]}\n{access.ssh_config().read_text()}")
    with reach(names[1], config).session() as session:
        client = session.run("echo $SSH_CONNECTION").stdout.split()[0]
        assert session.run("hostname").stdout == f"{names[1]}\n"
    assert client == lab_hosts(2)[0].address
    for host in hosts:
        host.close()
