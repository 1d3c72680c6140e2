"""The whole shop, as processes, on a real PostgreSQL and a real Redis."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import httpx2 as httpx
import psycopg
import psycopg.sql
import pytest
import redis

from shop_worker.queue import NEW, TAKEN
from support import Process, alembic, eventually


@pytest.fixture(autouse=True)
def _empty_stores(migrated: dict[str, str], broker: redis.Redis) -> None:
    with psycopg.connect(migrated["DATABASE_URL"]) as connection:
        connection.execute("TRUNCATE orders RESTART IDENTITY")
    broker.flushdb()


@pytest.fixture
def sql(migrated: dict[str, str]) -> Iterator[Callable[..., list[tuple]]]:
    with psycopg.connect(migrated["DATABASE_URL"], autocommit=True) as connection:
        yield lambda query, *values: connection.execute(query, values).fetchall()


@pytest.fixture
def outage(migrated: dict[str, str]) -> Callable[[], AbstractContextManager[None]]:
    """A time in which the database lets nobody in, and has thrown everybody out."""
    database = psycopg.conninfo.conninfo_to_dict(migrated["DATABASE_URL"])["dbname"]

    @contextmanager
    def closed() -> Iterator[None]:
        with psycopg.connect(migrated["DATABASE_URL"], dbname="postgres", autocommit=True) as other:
            name = psycopg.sql.Identifier(database)
            other.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
            try:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
                )
                yield
            finally:
                other.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    return closed


def status(client: httpx.Client, order_id: int) -> str:
    return client.get(f"/api/orders/{order_id}").json()["status"]


def test_migrations_may_run_twice_and_at_the_same_time(
    migrated: dict[str, str], sql: Callable[..., list[tuple]]
) -> None:
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: alembic(migrated, "upgrade", "head"), range(3)))
    assert [result.returncode for result in results] == [0, 0, 0], results
    assert sql("SELECT count(*) FROM products") == [(6,)]


def test_migrations_go_back_and_forth_at_the_same_time_as_another(
    migrated: dict[str, str], sql: Callable[..., list[tuple]]
) -> None:
    assert alembic(migrated, "downgrade", "base").returncode == 0
    assert sql("SELECT to_regclass('products')") == [(None,)]
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: alembic(migrated, "upgrade", "head"), range(3)))
    assert [result.returncode for result in results] == [0, 0, 0], results
    assert sql("SELECT count(*) FROM products") == [(6,)]


def test_migrations_need_to_be_told_the_database(migrated: dict[str, str]) -> None:
    result = alembic({**migrated, "DATABASE_URL": ""}, "upgrade", "head")
    assert result.returncode == 1
    assert "DATABASE_URL must be set" in result.stderr


def test_an_order_goes_all_the_way(api: tuple[Process, httpx.Client], worker: Process) -> None:
    _, client = api
    products = client.get("/api/products").json()["products"]
    assert len(products) == 6
    placed = client.post("/api/orders", json={"product_id": products[0]["id"], "quantity": 2})
    assert placed.status_code == 201
    assert placed.json()["total_cents"] == 2 * products[0]["price_cents"]
    eventually(lambda: status(client, placed.json()["id"]) == "processed", 10, "the order")
    assert client.post("/api/orders", json={"product_id": 999}).status_code == 404


def test_health_says_starting_and_then_the_version(
    start_api: Callable[[], tuple[Process, httpx.Client]],
) -> None:
    _, client = start_api()
    first = client.get("/health")
    assert (first.status_code, first.json()) == (503, {"status": "starting", "version": "1.2.3-test"})
    eventually(lambda: client.get("/health").status_code == 200, 10, "a ready API")
    assert client.get("/health").json() == {"status": "ok", "version": "1.2.3-test"}


def test_health_follows_the_database(
    api: tuple[Process, httpx.Client], outage: Callable[[], AbstractContextManager[None]]
) -> None:
    process, client = api
    with outage():
        eventually(
            lambda: client.get("/health").status_code == 503, 10, "health says that the database is gone"
        )
        assert client.get("/health").json()["status"] == "database unavailable"
    eventually(lambda: client.get("/health").status_code == 200, 15, "an API that is ready again")
    assert process.alive


def test_an_order_that_is_in_nobodys_hands_is_processed(
    api: tuple[Process, httpx.Client], broker: redis.Redis, start: Callable[..., Process]
) -> None:
    _, client = api
    order_id = client.post("/api/orders", json={"product_id": 1}).json()["id"]
    assert broker.lmove(NEW, TAKEN) == str(order_id)  # as a worker leaves it that crashes now
    start("shop_worker")
    eventually(lambda: status(client, order_id) == "processed", 10, "the order")
    eventually(lambda: not broker.exists(NEW, TAKEN), 5, "empty lists")


def test_an_order_that_never_reached_the_queue_is_processed(
    sql: Callable[..., list[tuple]], worker: Process
) -> None:
    ((order_id,),) = sql(
        "INSERT INTO orders (product_id, quantity, total_cents, created_at)"
        " VALUES (1, 1, 100, now() - interval '1 hour') RETURNING id"
    )
    eventually(
        lambda: sql("SELECT status FROM orders WHERE id = %s", order_id) == [("processed",)], 10, "the order"
    )


def test_the_api_finishes_what_it_has_begun_and_exits_with_0(
    api: tuple[Process, httpx.Client], migrated: dict[str, str]
) -> None:
    process, client = api
    answers: list[int] = []
    with psycopg.connect(migrated["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")  # the order has to wait
        caller = threading.Thread(
            target=lambda: answers.append(client.post("/api/orders", json={"product_id": 1}).status_code)
        )
        caller.start()
        time.sleep(0.5)
        process.terminate()
        time.sleep(0.5)
        assert process.alive
        assert answers == []
    caller.join(10)
    assert answers == [201]
    assert process.wait(5) == 0


@pytest.mark.parametrize("module", ["shop_api", "shop_worker"])
def test_without_its_settings_a_process_says_what_is_missing(
    migrated: dict[str, str], start: Callable[..., Process], module: str
) -> None:
    process = start(module, DATABASE_URL="")
    assert process.wait(10) == 1
    assert "DATABASE_URL must be set" in process.log.read_text()


def test_the_worker_exits_with_0(worker: Process) -> None:
    eventually(lambda: "started" in worker.log.read_text(), 10, "the worker")
    worker.terminate()
    try:
        assert worker.wait(5) == 0
    except subprocess.TimeoutExpired:
        pytest.fail("the worker did not stop within 5 s")
    assert worker.log.read_text().endswith("stopped\n")
