"""PostgreSQL and Redis in containers, and the shop's own processes in front of them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import psycopg
import pytest
import redis

from support import Container, Process, alembic, docker, eventually

LABEL = "com.example.shop.test"
PASSWORD = uuid.uuid4().hex


def pytest_configure() -> None:
    # Ended by SIGTERM, as a pipeline does it, the tests still remove what they started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers; without one tests are skipped, or fail where nothing may be skipped."""
    try:
        docker("info", "--format", "{{.ServerVersion}}")
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        reason = f"no Docker engine answers: {error}"
        if os.environ.get("CI") or os.environ.get("SHIPTASKS_LAB") == "required":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def run_container(engine: None) -> Iterator[Callable[..., Container]]:
    """Starts containers, all of which are removed at the end, whatever happens meanwhile."""
    session = uuid.uuid4().hex[:12]

    def run(image: str, port: int, *command: str, env: dict[str, str] | None = None) -> Container:
        options = ["--publish", f"127.0.0.1::{port}", "--label", f"{LABEL}={session}"]
        for name in env or {}:
            options += ["--env", name]  # the value comes from our environment, not from the command line
        name = docker("run", "--detach", "--rm", *options, image, *command, env={**os.environ, **(env or {})})
        published = re.search(r":(\d+)$", docker("port", name, f"{port}/tcp"), re.MULTILINE)
        assert published, f"{image} publishes no port"
        return Container(name, int(published[1]))

    try:
        yield run
    finally:
        if left := docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}={session}").split():
            docker("rm", "--force", "--volumes", *left)


@pytest.fixture(scope="session")
def database(run_container: Callable[..., Container]) -> Container:
    return run_container(
        "postgres:17",
        5432,
        env={"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "shop"},
    )


@pytest.fixture(scope="session")
def broker(run_container: Callable[..., Container]) -> redis.Redis:
    container = run_container("redis:7", 6379)
    client = redis.Redis(port=container.port, decode_responses=True, socket_timeout=2)
    eventually(client.ping, 30, "redis")
    return client


@pytest.fixture(scope="session")
def environment(database: Container, broker: redis.Redis) -> dict[str, str]:
    """What the shop's processes need to find the stores."""
    url = f"postgresql://shop:{PASSWORD}@127.0.0.1:{database.port}/shop"
    eventually(lambda: psycopg.connect(url, connect_timeout=2).close() or True, 60, "postgres")
    port = broker.connection_pool.connection_kwargs["port"]
    return {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
        "APP_VERSION": "1.2.3-test",
        "HOST": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture(scope="session")
def migrated(environment: dict[str, str]) -> dict[str, str]:
    result = alembic(environment, "upgrade", "head")
    assert result.returncode == 0, result.stderr
    return environment


@pytest.fixture
def start(migrated: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `shop_api` or `shop_worker`; all of them are gone after the test."""
    processes: list[Process] = []

    def run(module: str, **extra: str) -> Process:
        processes.append(Process(module, {**migrated, **extra}, tmp_path / f"{module}-{len(processes)}.log"))
        return processes[-1]

    yield run
    for process in processes:
        process.end()


@pytest.fixture
def start_api(start: Callable[..., Process]) -> Iterator[Callable[[], tuple[Process, httpx.Client]]]:
    """Starts an API on a free port, and returns it as soon as it answers at all, with a client for it."""
    clients: list[httpx.Client] = []

    def run() -> tuple[Process, httpx.Client]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = start("shop_api", PORT=str(port))
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5)
        clients.append(client)
        eventually(lambda: client.get("/health"), 20, "the API")
        return process, client

    yield run
    for client in clients:
        client.close()


@pytest.fixture
def api(start_api: Callable[[], tuple[Process, httpx.Client]]) -> tuple[Process, httpx.Client]:
    """An API that is ready."""
    process, client = start_api()
    eventually(lambda: client.get("/health").status_code == 200, 20, "a ready API")
    return process, client


@pytest.fixture
def worker(start: Callable[..., Process], tmp_path: Path) -> Process:
    return start("shop_worker", HEARTBEAT_FILE=str(tmp_path / "heartbeat"))
