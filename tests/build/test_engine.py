"""What is said where there is no engine, no docker command, no buildx. The engine that is there is met in tests/lab."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from shiptasks.build.engine import Engine, client, preflight
from shiptasks.errors import Refused
from shiptasks.run.engine import endpoint, no_engine


def fake_docker(folder: Path, script: str) -> None:
    """A `docker` on PATH that answers as a machine without the plugin does; the real one cannot lose its plugins."""
    path = folder / "docker"
    path.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def silent_socket(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/none.sock"


def test_no_docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="the docker command was not found") as caught:
        preflight(tmp_path)
    assert "https://docs.docker.com/engine/install/" in caught.value.hint


def test_no_engine_behind_docker_host(tmp_path: Path, silent_socket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_docker(tmp_path, "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", silent_socket)
    with pytest.raises(Refused, match="the Docker engine does not answer") as caught:
        preflight(tmp_path)
    assert caught.value.where == silent_socket
    assert caught.value.hint == f"DOCKER_HOST is {silent_socket}: correct it, or unset DOCKER_HOST"
    assert caught.value.exit_code == 3


def test_something_else_listens_where_the_engine_should(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr("shiptasks.build.engine._TIMEOUT", 0.3)
        with pytest.raises(Refused, match="does not answer"), client():
            raise AssertionError("there is no engine")


def test_a_docker_host_that_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nonsense://x")
    with pytest.raises(Refused, match="does not answer"), client():
        raise AssertionError("there is no engine")


def test_no_permission() -> None:
    error = no_engine("unix:///var/run/docker.sock", "PermissionError(13, 'Permission denied')", "nothing was built")
    assert error.what == "this user may not talk to the Docker engine"
    assert error.hint == "sudo usermod -aG docker $USER, then log in again"


@pytest.mark.parametrize(("system", "hint"), [("Linux", "sudo systemctl start docker"), ("Darwin", "Docker Desktop")])
def test_no_engine_says_what_to_start(system: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("platform.system", lambda: system)
    assert hint in no_engine("unix:///var/run/docker.sock", "connection refused", "").hint


def test_no_buildx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shiptasks.build.engine import _buildx

    fake_docker(tmp_path, "echo 'docker: unknown command: docker buildx' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="no buildx plugin") as caught:
        _buildx(tmp_path)
    assert "apt-get install docker-buildx-plugin" in caught.value.hint
    assert caught.value.details == ("docker: unknown command: docker buildx",)


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("github.com/docker/buildx v0.29.1-desktop.1 5b7ce9ec", (0, 29)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13)),
        ("github.com/docker/buildx v1.2.3 abc", (1, 2)),
    ],
)
def test_versions_of_buildx(
    tmp_path: Path, line: str, version: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from shiptasks.build.engine import _buildx

    fake_docker(tmp_path, f"echo '{line}'")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _buildx(tmp_path) == version


def test_a_builder_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shiptasks.build.engine import _driver

    fake_docker(tmp_path, "echo 'ERROR: no builder \"x\" found' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="no builder that works") as caught:
        _driver(tmp_path)
    assert caught.value.details == ('ERROR: no builder "x" found',)


def test_what_a_builder_can_do() -> None:
    def engine(driver: str, store: bool, buildx: tuple[int, int] = (0, 13)) -> Engine:
        return Engine("26", "", containerd_store=store, buildx=buildx, driver=driver)

    assert [
        engine(*args).registry_cache for args in (("docker", True), ("docker", False), ("docker-container", False))
    ] == [
        True,
        False,
        True,
    ]
    assert not engine("docker", True, (0, 12)).raw_json
    assert engine("docker", True, (1, 0)).raw_json


def test_the_context_in_use_says_where_the_engine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "does-not-exist")
    assert endpoint() == ""
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    assert endpoint() == "tcp://10.0.0.1:2375"
