"""The list of new orders in Redis, taken from in such a way that a crash loses none."""

from __future__ import annotations

from redis import Redis

NEW = "orders:new"
TAKEN = "orders:taken"
"""Ids that a worker has taken and not finished."""


class Queue:
    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=3, decode_responses=True)

    def take(self, wait: float) -> int | None:
        """Move the oldest id aside and return it; None if none comes within `wait` seconds."""
        taken = self._redis.blmove(NEW, TAKEN, wait, "RIGHT", "LEFT")  # type: ignore[arg-type]
        return int(taken) if taken else None

    def done(self, order_id: int) -> None:
        self._redis.lrem(TAKEN, 1, str(order_id))

    def give_back_all(self) -> int:
        """Queue what crashed workers had taken, and return how many.

        What another worker is busy with is queued too: to process an order twice changes nothing.
        """
        count = self._redis.llen(TAKEN)
        for _ in range(count):
            self._redis.lmove(TAKEN, NEW, "LEFT", "RIGHT")
        return count

    def close(self) -> None:
        self._redis.close()
