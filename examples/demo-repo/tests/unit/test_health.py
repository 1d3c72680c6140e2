from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg

from shop_api.health import Readiness


class Database:
    """Answers, fails or hangs, as the test says."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.responsive = asyncio.Event()
        self.responsive.set()

    async def ping(self) -> None:
        await self.responsive.wait()
        if self.error:
            raise self.error


async def becomes(readiness: Readiness, status: str) -> None:
    async def wait() -> None:
        while readiness.status != status:
            await asyncio.sleep(0.005)

    await asyncio.wait_for(wait(), 3)


def watch(story: Callable[[Database, Readiness], Awaitable[None]]) -> None:
    async def run() -> None:
        database = Database()
        readiness = Readiness(database.ping, database.ping, warm_up=0.02, interval=0.02, timeout=0.05)
        watcher = asyncio.create_task(readiness.watch())
        try:
            await story(database, readiness)
            assert not watcher.done()
        finally:
            watcher.cancel()

    asyncio.run(run())


def test_ready_once_warm() -> None:
    async def story(_database: Database, readiness: Readiness) -> None:
        assert (readiness.status, readiness.ready) == ("starting", False)
        await becomes(readiness, "ok")
        assert readiness.ready

    watch(story)


def test_a_failing_database_is_noticed_and_so_is_its_return() -> None:
    async def story(database: Database, readiness: Readiness) -> None:
        await becomes(readiness, "ok")
        database.error = psycopg.OperationalError("the connection is lost")
        await becomes(readiness, "database unavailable")
        assert not readiness.ready
        database.error = None
        await becomes(readiness, "ok")

    watch(story)


def test_a_hanging_database_is_noticed_and_so_is_its_return() -> None:
    async def story(database: Database, readiness: Readiness) -> None:
        await becomes(readiness, "ok")
        database.responsive.clear()
        await becomes(readiness, "database unavailable")
        database.responsive.set()
        await becomes(readiness, "ok")

    watch(story)


def test_a_start_without_a_database_goes_on_trying() -> None:
    async def story(database: Database, readiness: Readiness) -> None:
        database.error = OSError("no route to host")
        await asyncio.sleep(0.15)
        assert readiness.status == "starting"
        database.error = None
        await becomes(readiness, "ok")

    watch(story)
