"""Products and orders: PostgreSQL keeps them, Redis tells the worker about new orders."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shop_api.settings import Settings

log = logging.getLogger(__name__)

QUEUE = "orders:new"
"""Redis list of the ids of orders that wait for the worker, newest first."""

Row = dict[str, Any]


class Store(Protocol):
    """What the API needs from its data. A database that does not answer raises `psycopg.OperationalError`."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def ping(self) -> None: ...
    async def products(self) -> list[Row]: ...
    async def place_order(self, product_id: int, quantity: int) -> Row | None: ...
    async def order(self, order_id: int) -> Row | None: ...


class PostgresStore:
    def __init__(self, settings: Settings) -> None:
        self._pool = AsyncConnectionPool(
            settings.database_url,
            connection_class=AsyncConnection[Row],
            open=False,
            min_size=1,
            max_size=5,
            timeout=3,
            check=AsyncConnectionPool.check_connection,
            kwargs={
                "row_factory": dict_row,
                "application_name": "shop-api",
                "connect_timeout": 3,
                "tcp_user_timeout": 10_000,  # milliseconds until a host that vanished counts as gone
            },
        )
        self._redis = Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2)

    async def open(self) -> None:
        """Start connecting in the background; whoever needs a connection waits for it."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close(timeout=3)
        await self._redis.aclose()

    async def ping(self) -> None:
        async with self._pool.connection() as connection:
            await connection.execute("SELECT 1")

    async def products(self) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT id, name, description, price_cents FROM products ORDER BY id"
            )
            return await cursor.fetchall()

    async def place_order(self, product_id: int, quantity: int) -> Row | None:
        """Keep the order and tell the worker; None if there is no such product."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "INSERT INTO orders (product_id, quantity, total_cents)"
                " SELECT id, %(quantity)s, price_cents * %(quantity)s FROM products WHERE id = %(product_id)s"
                " RETURNING id, product_id, quantity, total_cents, status",
                {"product_id": product_id, "quantity": quantity},
            )
            order = await cursor.fetchone()
        if order:
            try:
                await self._redis.lpush(QUEUE, order["id"])
            except RedisError as error:
                # The order is safe in the database, where the worker looks for forgotten ones.
                log.warning("order %s: not queued (%s)", order["id"], error)
        return order

    async def order(self, order_id: int) -> Row | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT id, product_id, quantity, total_cents, status FROM orders WHERE id = %s", [order_id]
            )
            return await cursor.fetchone()
