"""Orders in PostgreSQL, as the worker sees them."""

from __future__ import annotations

from psycopg_pool import ConnectionPool


class Orders:
    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(
            url,
            open=True,
            min_size=1,
            max_size=1,
            timeout=5,
            check=ConnectionPool.check_connection,
            kwargs={
                "application_name": "shop-worker",
                "connect_timeout": 3,
                "tcp_user_timeout": 10_000,  # milliseconds until a host that vanished counts as gone
            },
        )

    def process(self, order_id: int) -> bool:
        """Mark a pending order as processed; False if there is none, or if that was done before."""
        with self._pool.connection() as connection:
            cursor = connection.execute(
                "UPDATE orders SET status = 'processed', processed_at = now()"
                " WHERE id = %s AND status = 'pending'",
                [order_id],
            )
            return cursor.rowcount == 1

    def forgotten(self, seconds: float, limit: int = 100) -> list[int]:
        """Ids of orders that have been pending for longer than that: they never reached the queue."""
        with self._pool.connection() as connection:
            cursor = connection.execute(
                "SELECT id FROM orders"
                " WHERE status = 'pending' AND created_at < now() - make_interval(secs => %s)"
                " ORDER BY created_at LIMIT %s",
                [seconds, limit],
            )
            return [row[0] for row in cursor.fetchall()]

    def close(self) -> None:
        self._pool.close(timeout=3)
