"""The engine's whole life, on a machine of its own: namespaces in which no engine runs yet."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import packages, registry
from tests.lab.engine import EngineInfo
from tests.lab.proc import LabError, run
from tests.lab.registry import Registry

ROOT = Path(__file__).parents[2]

# A bare machine as far as the lab can tell: no engine's socket, an own network, own processes.
# The shell stays, because process 1 has to bury what loses its parent.
BARE = 'mount -t tmpfs tmpfs /run && ip link set lo up && "$0" -c "$1" "$2"; exit $?'

LIFE = """
import json, os, signal, subprocess, sys
from pathlib import Path
from tests.lab import engine, lab, state

def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.split()

def others():
    names = {}
    for path in Path("/proc").glob("[0-9]*/comm"):
        pid = int(path.parent.name)
        if pid not in (1, os.getpid()) and state.start_time(pid) is not None:
            names[pid] = path.read_text().strip()
    return sorted(names.values())

seen = {}
said = []
first = lab.up(said.append, hosts=0, names=())
seen["ours"] = [first.engine.ours, first.engine.containerd_store]
docker("load", "-q", "-i", sys.argv[1])
whole = lab.up(said.append, hosts=1, names=["nginx:1.26"])
seen["hostname"] = whole.hosts[0].ssh("hostname && docker pull -q nginx:1.26").split()
docker("run", "-d", "--name", "web", "--restart", "always", "nginx:1.26")

state.send(state.recall("engine"), signal.SIGKILL)
state.wait_end(state.recall("engine"), 10)
seen["orphans"] = "nginx" in others()
again = lab.up(said.append, hosts=1, names=["nginx:1.26"])
seen["again"] = [again.engine.ours, again.engine.pid != first.engine.pid, *docker("ps", "--format", "{{.Names}}")]

state.send(state.recall("engine"), signal.SIGKILL)
state.wait_end(state.recall("engine"), 10)
lab.down(said.append)
seen["after down"] = others()

lab.up(said.append, hosts=0, names=["nginx:1.26"])
seen["kept"] = docker("image", "ls", "-q", "nginx:1.26") != []
lab.down(said.append, everything=True)
seen["after down --all"] = [others(), state.home().exists()]
seen["said"] = said
print(json.dumps(seen))
"""


def test_engine_is_started_survives_a_crash_and_ends_without_a_trace(
    lab_engine: EngineInfo, lab_images: dict[str, str], tmp_path: Path
) -> None:
    run(["docker", "save", "-o", str(tmp_path / "nginx.tar"), "nginx:1.26"], timeout=120)
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c", BARE]
    command += [sys.executable, LIFE, str(tmp_path / "nginx.tar")]
    env = {**os.environ, "SHIPTASKS_LAB_HOME": str(tmp_path / "lab")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["ours"] == [True, True]
    assert seen["hostname"] == ["host1", "docker.io/library/nginx:1.26"]
    assert seen["orphans"]
    assert seen["again"] == [True, True, "web"]
    assert seen["after down"] == []
    assert seen["kept"]
    assert seen["after down --all"] == [[], False]
    assert "engine stopped" in seen["said"]
    assert not [line for line in seen["said"] if "installing" in line]


@pytest.mark.parametrize(
    ("distribution", "words"),
    [
        (("debian", "bookworm"), "apt-get install -t trixie docker.io docker-cli docker-buildx docker-compose"),
        (("debian", "trixie"), "apt-get install docker.io docker-cli docker-buildx docker-compose"),
        (("ubuntu", "noble"), "apt-get install docker.io docker-buildx docker-compose-v2"),
        (("fedora", ""), "Compose plugin 2.20"),
    ],
)
def test_install_line_fits_the_distribution(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, distribution: tuple[str, str], words: str
) -> None:
    monkeypatch.setattr(packages, "SOURCES", tmp_path)
    monkeypatch.setattr(packages, "distribution", lambda: distribution)
    assert words in packages.engine_install_line()


def test_second_source_that_was_added_is_used_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Installing from Debian 13 makes /etc/os-release say Debian 13; the rest of the machine is still Debian 12."""
    monkeypatch.setattr(packages, "SOURCES", tmp_path)
    monkeypatch.setattr(packages, "distribution", lambda: ("debian", "trixie"))
    (tmp_path / "shiptasks-trixie.sources").touch()
    assert "apt-get install -t trixie" in packages.engine_install_line()


def test_engine_that_insists_on_https_is_told_how_to_change(lab_engine: EngineInfo, lab_registry: Registry) -> None:
    registry.check_reachable(lab_registry, lab_engine)
    strict = dataclasses.replace(lab_engine, insecure=("127.0.0.0/8", "elsewhere:5000"))
    with pytest.raises(LabError, match='"insecure-registries"'):
        registry.check_reachable(lab_registry, strict)
    registry.check_reachable(lab_registry, dataclasses.replace(strict, insecure=(lab_registry.name,)))
