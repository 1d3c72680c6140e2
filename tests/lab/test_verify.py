"""Verification of a real Compose project: well first, then broken in each way that a container can break."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from shiptasks.config.model import Project
from shiptasks.hosts import connect
from shiptasks.run.events import Bus
from shiptasks.verify import Expected, Report, run
from shiptasks.verify.report import text
from tests.lab.proc import run as shell

pytestmark = pytest.mark.usefixtures("lab_images")

IMAGE = "python:3.13-slim"

SERVER = """\
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(json.dumps({"version": "1.1.0"}).encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Deployed:
    """A Compose project that runs, with what verify is told about it."""

    project: Project
    expected: Expected
    folder: Path

    def compose(self, *words: str) -> None:
        file = str(self.folder / "compose.yaml")
        shell(["docker", "compose", "--project-name", self.project.project, "--file", file, *words])

    def verify(self, *, wait: float = 0, **changes: Any) -> Report:
        host = connect(self.project, "local")
        try:
            expected = replace(self.expected, **changes)
            return run(self.project, {"local": host}, {"local": expected}, Bus(), wait=wait)
        finally:
            host.close()


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    name = f"labverify-{secrets.token_hex(4)}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    image_id = shell(["docker", "image", "inspect", "--format", "{{.Id}}", IMAGE]).stdout.strip()
    labels = {"shiptasks.release": "r2", "shiptasks.version": "1.1.0"}
    # A file outside of the container decides whether it is healthy.
    (tmp_path / "well").touch()
    probe = {"test": ["CMD", "test", "-e", "/lab/well"], "interval": "300ms", "retries": 1}
    common = {"image": image_id, "volumes": [f"{tmp_path}:/lab:ro"], "stop_grace_period": "0s", "init": True}
    sleeper = {**common, "command": ["sleep", "600"]}
    services = {
        "api": {
            **common, "command": ["python", "-c", SERVER], "labels": labels, "healthcheck": probe,
            "ports": [f"127.0.0.1:{port}:8000"],
        },
        "worker": {**sleeper, "labels": labels, "scale": 2},
        "db": {**sleeper, "healthcheck": probe},
        "proxy": sleeper,
    }  # fmt: skip
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": services}))
    project = Project.model_validate(
        {
            "project": name,
            "services": {
                "api": {"port": 8000, "health": "/health", "routes": ["/"]},
                "worker": {"replicas": 2},
            },
            "environments": {"local": {"url": f"http://localhost:{port}"}},
        }
    ).located(tmp_path, "local")
    images = {"api": image_id, "worker": image_id}
    made = Deployed(project, Expected("1.1.0", "r2", images, {"api": 1, "worker": 2}, ("db",)), tmp_path)
    try:
        made.compose("up", "--detach", "--wait", "api", "db")
        made.compose("up", "--detach")
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout=0")


def found(report: Report, *statuses: str) -> set[tuple[str, str]]:
    return {(one.status, one.target.split(" http")[0]) for one in report.results if one.status in statuses}


def test_well_then_broken_in_every_way_that_the_engine_shows(deployed: Deployed) -> None:
    report = assert_well(deployed)
    assert found(report, "warn") == {("warn", "worker health"), ("warn", "proxy runs")}, "no healthcheck: never healthy"
    assert report.count("ok") == 9

    deployed.compose("kill", "worker")
    report = deployed.verify()
    assert found(report, "fail") == {("fail", "worker replicas")}
    assert "exited, exit code 137" in report.results[0].verdict.evidence[0]
    deployed.compose("start", "worker")

    (deployed.folder / "well").unlink()
    assert found(until_failing(deployed, 2), "fail") == {("fail", "api health"), ("fail", "db runs")}
    (deployed.folder / "well").touch()
    assert_well(deployed)

    deployed.compose("stop", "--timeout=0", "api")
    assert found(deployed.verify(), "fail") == {("fail", "api replicas"), ("fail", "api GET")}
    deployed.compose("start", "api")
    assert_well(deployed)

    deployed.compose("rm", "--force", "--stop", "db", "proxy")
    assert found(deployed.verify(), "fail") == {("fail", "db runs"), ("fail", "proxy runs")}


def assert_well(deployed: Deployed) -> Report:
    report = deployed.verify(wait=20)
    assert report.ok, text(report)
    return report


def until_failing(deployed: Deployed, count: int) -> Report:
    """The first report with so many failures, as the engine notices them."""
    for _ in range(100):
        report = deployed.verify()
        if report.count("fail") >= count:
            return report
    raise AssertionError(report.to_dict())


def test_what_runs_is_not_what_was_deployed(deployed: Deployed) -> None:
    assert_well(deployed)
    other = "sha256:" + "0" * 64
    assert found(deployed.verify(version="1.2.0"), "fail") == {("fail", "api GET")}
    assert found(deployed.verify(images={"api": other, "worker": self_image(deployed)}), "fail") == {
        ("fail", "api image")
    }
    assert found(deployed.verify(replicas={"api": 1, "worker": 3}), "fail") == {("fail", "worker replicas")}
    assert found(deployed.verify(stores=("db", "redis")), "fail") == {("fail", "redis runs")}
    assert found(deployed.verify(release="r3"), "fail") == {("fail", "api replicas"), ("fail", "worker replicas")}


def self_image(deployed: Deployed) -> str:
    return deployed.expected.images["worker"]


def test_a_container_that_was_killed_and_restarted_by_the_engine(deployed: Deployed) -> None:
    name = deployed.project.project
    shell(["docker", "update", "--restart=always", f"{name}-worker-1"])
    kill = "import os, signal; os.kill(-1, signal.SIGKILL)"  # all but the container's own init
    shell(["docker", "exec", "--detach", f"{name}-worker-1", "python", "-c", kill])
    report = deployed.verify(wait=3)
    assert found(report, "fail") == {("fail", "worker restarts")}
    assert "restarted" in report.results[0].verdict.evidence[0]


def test_an_engine_that_does_not_answer_is_an_error(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    report = deployed.verify()
    assert not report.ok
    assert {one.status for one in report.results if one.group != "endpoints"} == {"error"}
    assert found(report, "ok") == {("ok", "api GET")}
