"""Containers for tests on the real engine: they work, and none is left, however the run ends."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from shiptasks.check.containers import started
from shiptasks.check.sections import Container
from shiptasks.errors import Failed, Interrupted
from shiptasks.run.lease import NAME, Lease, owed
from shiptasks.run.leftovers import CHECK_LABEL, owned, sweep
from shiptasks.run.process import Stop, current_stop
from shiptasks.run.runlog import new_folder, new_run_id
from tests.lab.proc import run as shell
from tests.lab.registry import Registry

pytestmark = pytest.mark.usefixtures("lab_images")

PYTHON = "python:3.13-slim"
DATABASES = {"db": Container.model_validate("postgres:17"), "cache": Container.model_validate("redis:7")}

RUNNER = """
import sys, time
from pathlib import Path
from shiptasks.check.containers import started
from shiptasks.check.sections import Container
from shiptasks.run.leftovers import owned, sweep
from shiptasks.run.runlog import new_folder

state, run_id, stay = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
folder = new_folder(state, run_id)
sweep(state, print)
with owned(folder, print) as lease:
    wanted = {"db": Container.model_validate("postgres:17"), "cache": Container.model_validate("redis:7")}
    with started(wanted, lease, lambda text: None) as variables:
        print("ready", flush=True)
        time.sleep(stay)
"""


def containers_of(run_id: str) -> list[str]:
    """The ids of the containers of a run, in whatever state."""
    return shell(["docker", "ps", "-aq", "--no-trunc", "--filter", f"label={CHECK_LABEL}={run_id}"]).stdout.split()


def inspect(container: str, what: str) -> str:
    return shell(["docker", "inspect", "--format", what, container]).stdout.strip()


def container(image: str = PYTHON, **more: Any) -> Container:
    return Container.model_validate({"image": image, "port": 8000, **more})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / ".shiptasks"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def lease(state: Path, told: list[str]) -> Iterator[Lease]:
    folder = new_folder(state, new_run_id())
    with owned(folder, told.append) as lease:
        yield lease
        assert containers_of(lease.run_id) == []
        assert owed(folder) == []


@contextmanager
def runner(state: Path, run_id: str, stay: float = 60) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", RUNNER, str(state), run_id, str(stay)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for left in containers_of(run_id):  # of a test that has failed
                shell(["docker", "rm", "-fv", left], check=False)


def until(true: Callable[[], object], within: float = 30) -> None:
    limit = time.monotonic() + within
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_databases_can_be_used_at_once_and_nothing_of_them_is_left(lease: Lease, told: list[str]) -> None:
    with started(DATABASES, lease, told.append) as variables:
        assert set(variables) == {"DATABASE_URL", "REDIS_URL"}
        with psycopg.connect(variables["DATABASE_URL"], connect_timeout=5) as connection:
            connection.execute("create table made (id int)")
            assert connection.execute("select current_database(), current_user").fetchone() == ("test", "test")
        with redis.Redis.from_url(variables["REDIS_URL"], socket_timeout=5) as client:
            client.set("a", "b")
            assert client.get("a") == b"b"
        found = containers_of(lease.run_id)
        assert len(found) == 2
        password = variables["DATABASE_URL"].split(":")[2].partition("@")[0]
        assert len(password) == 24
        for each in found:
            assert inspect(each, "{{range .Mounts}}{{.Type}} {{end}}") == "", "data is in memory, in no volume"
            assert inspect(each, "{{.HostConfig.RestartPolicy.Name}}") in ("", "no")
            assert password not in inspect(each, "{{.Path}} {{.Args}} {{.Config.Cmd}} {{.Config.Labels}}")
            assert set(
                inspect(each, "{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{end}}{{end}}").split()
            ) == {"127.0.0.1"}
    assert containers_of(lease.run_id) == []
    assert sorted(line.split(" after")[0] for line in told) == ["cache is ready", "db is ready"]


def test_two_runs_of_one_database_have_ports_of_their_own(lease: Lease, told: list[str]) -> None:
    cache = {"cache": DATABASES["cache"]}
    with started(cache, lease, told.append) as one, started(cache, lease, told.append) as other:
        assert one["REDIS_URL"] != other["REDIS_URL"]
        assert len(containers_of(lease.run_id)) == 2


def test_an_image_that_is_not_known_is_ready_when_its_port_answers(lease: Lease, told: list[str]) -> None:
    late = "import time, http.server as h; time.sleep(0.7); h.test(h.SimpleHTTPRequestHandler, port=8000)"
    web = container(command=["python", "-c", late], variables={"URL": "http://{host}:{port}/"})
    with started({"web": web}, lease, told.append) as variables:
        import urllib.request

        with urllib.request.urlopen(variables["URL"], timeout=2) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(("health", "well"), [("true", True), ("echo why; false", False)])
def test_the_healthcheck_of_an_image_holds_where_nothing_else_is_said(
    health: str, well: bool, lease: Lease, told: list[str]
) -> None:
    image = f"shiptasks-test-{secrets.token_hex(4)}:1"
    serve = 'CMD ["python", "-m", "http.server", "8000"]'
    recipe = f"FROM {PYTHON}\nHEALTHCHECK --interval=200ms --retries=1 CMD {health}\n{serve}\n"
    env = {**os.environ, "BUILDX_BUILDER": "default", "DOCKER_BUILDKIT": "1"}
    subprocess.run(["docker", "build", "-q", "-t", image, "-"], input=recipe, text=True, env=env, check=True)
    try:
        if well:
            with started({"web": container(image, ready="10s")}, lease, told.append):
                return
        never = started({"web": container(image, ready="1s")}, lease, told.append)
        with pytest.raises(Failed, match="the container web was not ready within 1 s") as caught, never:
            raise AssertionError("it is not well")
        assert caught.value.details[0] == "why"
    finally:
        shell(["docker", "image", "rm", image])


def test_anonymous_volumes_are_removed_with_their_container(lease: Lease, told: list[str]) -> None:
    """An image that is not known by its name keeps its volumes: what is in them may be large."""
    image = f"shiptasks-test-{secrets.token_hex(4)}:1"
    shell(["docker", "tag", "redis:7", image])
    try:
        other = container(image, port=6379)
        with started({"cache": other}, lease, told.append):
            (made,) = containers_of(lease.run_id)
            volume = inspect(made, "{{range .Mounts}}{{.Name}}{{end}}")
            assert len(volume) == 64
        assert shell(["docker", "volume", "inspect", volume], check=False).returncode == 1
    finally:
        shell(["docker", "image", "rm", image])


def refused(lease: Lease, told: list[str], name: str, wanted: Container) -> Failed:
    """The error; a container beside it is removed as well, which the fixture looks at."""
    with pytest.raises(Failed) as caught, started({name: wanted, "cache": DATABASES["cache"]}, lease, told.append):
        raise AssertionError("not reached")
    return caught.value


def test_an_image_that_does_not_exist(lease: Lease, told: list[str]) -> None:
    error = refused(lease, told, "db", container("127.0.0.1:1/none:1"))
    assert error.what.startswith("the image 127.0.0.1:1/none:1 cannot be pulled: ")
    assert "connection refused" in error.what
    assert error.where == "[tool.shiptasks.containers.db]"
    assert error.now == "no test was run"
    assert error.hint == "docker pull 127.0.0.1:1/none:1"
    assert told[0] == "pulling 127.0.0.1:1/none:1"


def test_an_image_that_is_missing_is_pulled(lab_registry: Registry, lease: Lease, told: list[str]) -> None:
    image = f"{lab_registry.loopback}/check-{secrets.token_hex(4)}/redis:7"
    shell(["docker", "tag", "redis:7", image])
    try:
        shell(["docker", "push", "-q", image], timeout=120)
        shell(["docker", "image", "rm", image])
        with started({"cache": Container.model_validate(image)}, lease, told.append) as variables:
            assert redis.Redis.from_url(variables["REDIS_URL"], socket_timeout=5).ping()
        assert told[0] == f"pulling {image}"
        error = refused(lease, told, "db", container(image.replace("redis:7", "none:7")))
        assert "not found" in error.what
    finally:
        shell(["docker", "image", "rm", image], check=False)


def test_on_an_engine_elsewhere_ports_are_reached_at_its_host(
    lease: Lease, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine of this machine, met over TCP at an address that is not loopback."""
    gateway = inspect("bridge", "{{(index .IPAM.Config 0).Gateway}}")
    with forwarded(gateway) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{gateway}:{port}")
        with started({"db": DATABASES["db"]}, lease, told.append) as variables:
            assert f"@{gateway}:" in variables["DATABASE_URL"]
            with psycopg.connect(variables["DATABASE_URL"], connect_timeout=5) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
        monkeypatch.delenv("DOCKER_HOST")


@contextmanager
def forwarded(address: str) -> Iterator[int]:
    """A TCP port at that address which leads to the engine's socket."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect("/var/run/docker.sock")
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    with socket.create_server((address, 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_container_that_ends_at_once(lease: Lease, told: list[str]) -> None:
    command = ["python", "-c", "import os; print('because', os.environ['SECRET']); raise SystemExit(3)"]
    error = refused(lease, told, "db", container(command=command, env={"SECRET": "{password}"}))
    assert error.what == "the container db ended with exit code 3 before it was ready"
    assert error.details == ("because ***",)
    assert error.where == PYTHON
    assert error.now == "it was removed"
    assert error.hint == "`env` and `command` of [tool.shiptasks.containers.db]"


def test_a_command_that_the_image_does_not_have(lease: Lease, told: list[str]) -> None:
    error = refused(lease, told, "db", container(command=["no-such-program"]))
    assert error.what.startswith("the container db could not be started: ")
    assert "no-such-program" in error.what


@pytest.mark.parametrize("health", [["sh", "-c", "echo not yet; false"], ["sleep", "60"]])
def test_one_that_is_never_healthy(health: list[str], lease: Lease, told: list[str]) -> None:
    wanted = container(command=["sh", "-c", "echo its log; sleep 60"], health=health, ready="1s")
    error = refused(lease, told, "db", wanted)
    assert error.what == "the container db was not ready within 1 s"
    assert error.details == ("not yet" if health[0] == "sh" else "the health command did not end", "its log")
    assert error.hint == "`health` and `ready` of [tool.shiptasks.containers.db]"


def test_a_health_command_that_the_image_does_not_have_is_told_at_once(lease: Lease, told: list[str]) -> None:
    began = time.monotonic()
    error = refused(lease, told, "db", container(command=["sleep", "60"], health=["no-such-program"]))
    assert error.what == f"the health command of the container db cannot be run in {PYTHON}"
    assert time.monotonic() - began < 10


def test_one_that_does_not_listen_on_its_port(lease: Lease, told: list[str]) -> None:
    """The engine's own proxy takes connections all the same."""
    silent = container(command=["sleep", "60"], ready="1s")
    assert refused(lease, told, "web", silent).what == "the container web was not ready within 1 s"


def test_when_the_graph_stops_its_steps_nothing_is_waited_for(lease: Lease, told: list[str]) -> None:
    stop = Stop()
    token = current_stop.set(stop)
    threading.Timer(1, stop.set).start()
    began = time.monotonic()
    wanted = {"db": container(command=["sleep", "60"], health=["sleep", "60"])}
    try:
        with pytest.raises(Interrupted, match="starting db was stopped"), started(wanted, lease, told.append):
            raise AssertionError("not reached")
    finally:
        current_stop.reset(token)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("moment", ["while it waits", "ready"])
def test_an_interrupted_run_removes_its_containers(moment: str, state: Path) -> None:
    run_id = new_run_id()
    with runner(state, run_id) as process:
        if moment == "ready":
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        else:
            until(lambda: containers_of(run_id))
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        assert containers_of(run_id) == []
    assert list((state / "runs" / run_id).iterdir()) == []


def owes(state: Path, run_id: str) -> Callable[[], object]:
    return lambda: (state / "runs" / run_id).is_dir() and owed(state / "runs" / run_id)


@pytest.mark.parametrize("moment", ["owing", "first", "both", "ready"])
def test_what_a_killed_run_left_is_removed_by_the_next(moment: str, state: Path, told: list[str]) -> None:
    run_id = new_run_id()
    with runner(state, run_id) as process:
        assert process.stdout is not None
        if moment == "ready":
            assert process.stdout.readline() == "ready\n"
        else:
            least = {"first": 1, "both": 2}
            until(owes(state, run_id) if moment == "owing" else lambda: len(containers_of(run_id)) >= least[moment])
        sweep(state, told.append)
        assert told == [], "it lives"
        process.kill()
        process.wait()
        time.sleep(0.5)  # what the engine was asked for, it finishes
        left = len(containers_of(run_id))
        sweep(state, told.append)
        assert containers_of(run_id) == []
        assert told == ([f"removed what 1 killed run left: {left} container{'s' * (left > 1)}"] if left else [])
        assert moment == "owing" or left
    assert list((state / "runs" / run_id).iterdir()) == []


def test_a_live_run_is_never_touched(state: Path, told: list[str], tmp_path: Path) -> None:
    lives, killed = new_run_id(), new_run_id()
    with runner(state, lives) as live, runner(state, killed) as process:
        assert live.stdout is not None
        assert process.stdout is not None
        assert live.stdout.readline() == process.stdout.readline() == "ready\n"
        before = containers_of(lives)
        process.kill()
        process.wait()
        sweep(tmp_path / "elsewhere" / ".shiptasks", told.append)
        assert len(containers_of(killed)) == 2, "another repository's sweep does not look at it"
        sweep(state, told.append)
        assert containers_of(killed) == []
        assert containers_of(lives) == before
        assert told == ["removed what 1 killed run left: 2 containers"]
        assert [inspect(each, "{{.State.Running}}") for each in before] == ["true", "true"]


def test_containers_of_a_run_whose_folder_is_gone_are_removed_by_the_next_that_starts_some(
    state: Path, lease: Lease, told: list[str]
) -> None:
    run_id = new_run_id()
    with runner(state, run_id) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.wait()
        shutil.rmtree(state / "runs" / run_id)
        with started({"cache": DATABASES["cache"]}, lease, told.append):
            assert containers_of(run_id) == []


def test_killed_again_and_again_at_any_moment_one_more_run_leaves_nothing(state: Path) -> None:
    runs = [new_run_id() for _ in range(8)]
    for number, run_id in enumerate(runs):
        with suppress(subprocess.TimeoutExpired):
            argv = [sys.executable, "-c", RUNNER, str(state), run_id, "60"]
            subprocess.run(argv, stdout=subprocess.DEVNULL, timeout=0.4 + 0.25 * number, check=False)  # kills it
    last = new_run_id()
    with runner(state, last, stay=0) as process:
        assert process.wait(timeout=60) == 0
    assert [each for run_id in (*runs, last) for each in containers_of(run_id)] == []
    assert list((state / "runs").glob(f"*/{NAME}")) == []
