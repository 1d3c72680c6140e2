"""The loop: take an order, process it, say that it is done; now and then look for forgotten ones."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

import psycopg
import redis

log = logging.getLogger(__name__)


class Queue(Protocol):
    def take(self, wait: float) -> int | None: ...
    def done(self, order_id: int) -> None: ...
    def give_back_all(self) -> int: ...


class Orders(Protocol):
    def process(self, order_id: int) -> bool: ...
    def forgotten(self, seconds: float) -> list[int]: ...


class Worker:
    """Processes orders until `stop`. `beat` is called after each round in which both stores answered."""

    def __init__(
        self,
        queue: Queue,
        orders: Orders,
        beat: Callable[[], None],
        *,
        wait: float = 0.5,
        sweep_every: float = 60.0,
        retry_after: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._orders = orders
        self._beat = beat
        self._wait = wait
        self._sweep_every = sweep_every
        self._retry_after = retry_after
        self._clock = clock
        self._next_sweep = float("-inf")
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Take no further order; `run` returns when the current one is finished."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round()
            except (psycopg.Error, redis.RedisError) as error:
                # What was in hand stays on the list of taken orders, and the next sweep gives it back.
                log.warning("%s: %s", type(error).__name__, error)
                self._next_sweep = float("-inf")
                self._stopping.wait(self._retry_after)
            else:
                self._beat()

    def _round(self) -> None:
        if self._clock() >= self._next_sweep:
            self._sweep()
            self._next_sweep = self._clock() + self._sweep_every
        order_id = self._queue.take(self._wait)
        if order_id is not None:
            self._process(order_id)
            self._queue.done(order_id)

    def _sweep(self) -> None:
        if count := self._queue.give_back_all():
            log.info("%d unfinished orders are back in the queue", count)
        for order_id in self._orders.forgotten(self._sweep_every):
            if self._stopping.is_set():
                return
            self._process(order_id)

    def _process(self, order_id: int) -> None:
        log.info("order %s: %s", order_id, "processed" if self._orders.process(order_id) else "nothing to do")
