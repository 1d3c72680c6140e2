"""The shop's own processes, in front of the PostgreSQL and Redis that `inv test` starts for them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
import redis

from support import Process, alembic, eventually


def _given(name: str) -> str:
    """What `inv test` hands over: see [tool.shiptasks.containers] in pyproject.toml."""
    if not os.environ.get(name):
        pytest.fail(f"{name} is not set: run these tests by `inv test --only=integration`")
    return os.environ[name]


@pytest.fixture(scope="session")
def broker() -> redis.Redis:
    return redis.Redis.from_url(_given("REDIS_URL"), decode_responses=True, socket_timeout=2)


@pytest.fixture(scope="session")
def environment(broker: redis.Redis) -> dict[str, str]:
    """What the shop's processes need to find the stores."""
    return {
        **os.environ,
        "DATABASE_URL": _given("DATABASE_URL"),
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
