"""The lab itself: it comes up once, its hosts are real ones, they can be broken and mended, and all of it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import access, lab, net, registry, sshhost, state
from tests.lab.engine import EngineInfo
from tests.lab.proc import Echo, LabError, run
from tests.lab.registry import Registry
from tests.lab.sshhost import Host

ROOT = Path(__file__).parents[2]


def fetch(address: str, timeout: float = 5) -> str:
    with urllib.request.urlopen(f"http://{address}/", timeout=timeout) as answer:
        return str(answer.read().decode())


def serve(host: Host) -> str:
    """Start a web server on the host and return the address that it answers at."""
    host.docker("run", "-d", "--restart", "always", "--name", "web", "-p", "8080:80", "nginx:1.26")
    wait_for(lambda: "nginx" in fetch(f"{host.address}:8080"))
    return f"{host.address}:8080"


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


def test_engine_has_what_the_product_needs(lab_engine: EngineInfo) -> None:
    assert int(lab_engine.version.split(".")[0]) >= 24
    assert tuple(int(part) for part in lab_engine.compose.split("-")[0].split(".")[:2]) >= (2, 20)
    if lab_engine.ours:
        assert lab_engine.containerd_store


def test_up_twice_starts_nothing_anew(lab_host: Host, lab_echo: Echo) -> None:
    before = lab.status()
    said: list[str] = []
    started = time.monotonic()
    lab.up(said.append, hosts=1)
    assert time.monotonic() - started < 5
    assert said == []
    assert lab.status() == before
    assert {row.what: row.state.split(",")[0] for row in before}["host1"] == "up"


def test_host_answers_over_ssh_with_a_checked_key(lab_host: Host) -> None:
    assert lab_host.ssh("hostname").strip() == "host1"
    assert lab_host.ssh("id -un", user="deploy").strip() == "deploy"
    assert "StrictHostKeyChecking yes" in access.ssh_config().read_text()
    lab_host.change_host_key()
    with pytest.raises(LabError, match="IDENTIFICATION HAS CHANGED"):
        lab_host.ssh("true")
    lab_host.restore_host_key()
    assert lab_host.ssh("echo back").strip() == "back"


def test_hosts_share_neither_engine_nor_files(lab_hosts: Callable[[int], list[Host]]) -> None:
    one, two = lab_hosts(2)
    engines = [host.ssh("docker info --format '{{.ID}} {{.Name}}'").split() for host in (one, two)]
    engines.append(run(["docker", "info", "--format", "{{.ID}} {{.Name}}"]).stdout.split())
    assert len({identity for identity, _ in engines}) == 3
    assert [name for _, name in engines[:2]] == ["host1", "host2"]
    one.ssh("echo mine > /srv/mark; echo mine > /root/mark; echo mine > /tmp/mark; echo mine > /run/mark")
    assert two.ssh("ls /srv/mark /root/mark /tmp/mark /run/mark 2>/dev/null || true") == ""
    assert not any(Path(folder, "mark").exists() for folder in ("/srv", "/root", "/tmp", "/run"))
    one.exec(["rm", "/srv/mark", "/root/mark", "/tmp/mark", "/run/mark"])


def test_deploy_user_may_use_docker_and_srv_but_is_not_root(lab_host: Host) -> None:
    assert lab_host.ssh("docker info --format '{{.Name}}' && mkdir /srv/shop && rmdir /srv/shop", user="deploy")
    with pytest.raises(LabError, match="Permission denied"):
        lab_host.ssh("touch /root/x", user="deploy")


def test_host_pulls_by_plain_name_and_from_the_registry(lab_host: Host, lab_registry: Registry) -> None:
    name = f"{lab_registry.name}/lab-test/nginx:1"
    run(["docker", "tag", "nginx:1.26", name])
    run(["docker", "push", "--quiet", name])
    run(["docker", "image", "rm", name])
    lab_host.ssh(f"docker pull -q nginx:1.26 && docker pull -q {name}")
    ids = lab_host.docker("image", "inspect", "-f", "{{.Id}}", name, "nginx:1.26").split()
    assert ids[0] == ids[1]
    # Nothing that is not there is waited for: a host has no way out.
    started = time.monotonic()
    with pytest.raises(LabError, match=r"no such host|connection refused|not found"):
        lab_host.ssh("docker pull -q nosuch/image:1")
    assert time.monotonic() - started < 5


def test_images_are_copied_without_a_registry(lab_host: Host) -> None:
    lab_host.load_images(["redis:7"])
    there = lab_host.docker("image", "inspect", "-f", "{{.Id}}", "redis:7")
    assert there == run(["docker", "image", "inspect", "-f", "{{.Id}}", "redis:7"]).stdout


def test_published_port_is_reached_from_here_and_from_another_host(lab_hosts: Callable[[int], list[Host]]) -> None:
    one, two = lab_hosts(2)
    one.clean()
    address = serve(one)
    request = r"exec 3<>/dev/tcp/$0/8080; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3"
    answer = two.exec(["bash", "-c", request, one.address]).stdout
    assert answer.startswith("HTTP/1.1 200 OK")
    assert "nginx" in fetch(address)
    one.clean()
    with pytest.raises(urllib.error.URLError):
        fetch(address)


def test_crashed_engine_comes_back(lab_host: Host) -> None:
    address = serve(lab_host)
    lab_host.crash_engine()
    assert "nginx" in fetch(address)  # containers outlive their engine
    with pytest.raises(LabError, match="Cannot connect to the Docker daemon"):
        lab_host.ssh("docker ps")
    lab_host.start_engine()
    wait_for(lambda: "nginx" in fetch(address))


def test_rebooted_host_keeps_files_and_containers(lab_host: Host) -> None:
    address = serve(lab_host)
    lab_host.ssh("echo kept > /srv/mark; touch /run/gone")
    lab_host.reboot()
    assert lab_host.ssh("cat /srv/mark; ls /run/gone 2>&1 || true").startswith("kept\n")
    assert "No such file" in lab_host.ssh("ls /run/gone 2>&1 || true")
    wait_for(lambda: "nginx" in fetch(address))


def test_cut_cable_and_frozen_host_do_not_answer(lab_host: Host) -> None:
    address = serve(lab_host)
    for harm, mend in (("cut_network", "restore_network"), ("pause", "resume")):
        getattr(lab_host, harm)()
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            fetch(address, timeout=0.5)
        getattr(lab_host, mend)()
        wait_for(lambda: "nginx" in fetch(address))


@pytest.fixture
def second_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab_registry: Registry) -> Iterator[list[str]]:
    """Another lab beside the one that runs, on the same engine, to be torn down without taking the first away."""
    monkeypatch.setenv("SHIPTASKS_LAB_HOME", str(tmp_path / "lab"))
    said: list[str] = []
    yield said
    lab.down(said.append, everything=True)


def test_down_ends_all_and_up_works_again(second_lab: list[str], lab_engine: EngineInfo) -> None:
    first = lab.up(second_lab.append, hosts=1, names=["nginx:1.26"])
    assert first.registry is not None
    assert not first.engine.ours
    host = first.hosts[0]
    address = serve(host)
    pids = [process.pid for process in state.recorded() if state.alive(process)]
    assert len(pids) >= 4
    lab.down(second_lab.append)
    assert not [pid for pid in pids if state.start_time(pid) is not None]
    assert not net.exists(net.bridge())
    assert not (net.NAMESPACES / net.namespace(1)).exists()
    with pytest.raises(urllib.error.URLError):
        fetch(address, timeout=1)
    assert run(["docker", "info", "--format", "{{.ServerVersion}}"]).stdout.strip() == lab_engine.version
    again = lab.up(second_lab.append, hosts=1, names=["nginx:1.26"])
    assert again.hosts[0].ssh("hostname").strip() == "host1"


def test_up_after_everything_was_killed(second_lab: list[str]) -> None:
    lab.up(second_lab.append, hosts=1, names=["nginx:1.26"])
    for process in state.recorded():
        state.send(process, signal.SIGKILL)
        assert state.wait_end(process, 10)
    assert registry.current() is None
    again = lab.up(second_lab.append, hosts=1, names=["nginx:1.26"])
    assert again.hosts[0].ssh("docker pull -q nginx:1.26")


def test_hosts_come_up_quickly(second_lab: list[str]) -> None:
    lab.up(second_lab.append, hosts=0, names=[])
    with state.locked(second_lab.append):
        started = time.monotonic()
        sshhost.ensure(3, second_lab.append)
        assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("plugin", "words"),
    [("docker-compose", "there is no Compose v2 plugin"), ("docker-buildx", "the buildx plugin is missing")],
)
def test_engine_without_a_plugin_is_refused(lab_engine: EngineInfo, plugin: str, words: str) -> None:
    """The real client, in a mount namespace of its own where the plugin is hidden."""
    folders = ["/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", "/usr/local/lib/docker/cli-plugins"]
    files = [Path(folder, plugin) for folder in [*folders, str(Path.home() / ".docker/cli-plugins")]]
    hide = [f"mount --bind /dev/null {file}" for file in files if file.exists()]
    assert hide, f"{plugin} is nowhere"
    script = f'{" && ".join(hide)} && exec "$0" -m tests.lab up --hosts 0'
    command = ["unshare", "--mount", "sh", "-c", script, sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Install it (" in done.stderr
    assert done.stdout == ""


def test_no_engine_and_no_way_to_install_one_is_refused(tmp_path: Path) -> None:
    if shutil.which("docker") is None:
        pytest.skip("no docker command")
    env = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "SHIPTASKS_LAB_HOME": str(tmp_path / "lab")}
    command = [sys.executable, "-m", "tests.lab", "up", "--hosts", "0"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no Docker engine answers" in done.stderr
    assert f"{tmp_path}/none.sock" in done.stderr
    assert "then try again" in done.stderr
