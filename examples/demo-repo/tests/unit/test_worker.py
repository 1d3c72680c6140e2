from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

import psycopg
import pytest

from shop_worker import heartbeat
from shop_worker.worker import Worker


class FakeQueue:
    """Stops the worker when it is empty, so that `run` comes to an end."""

    def __init__(self, *new: int) -> None:
        self.new = deque(new)
        self.taken: list[int] = []
        self.worker: Worker | None = None

    def take(self, wait: float) -> int | None:
        if not self.new:
            self.worker.stop()
            return None
        self.taken.append(self.new.popleft())
        return self.taken[-1]

    def done(self, order_id: int) -> None:
        if order_id in self.taken:
            self.taken.remove(order_id)

    def give_back_all(self) -> int:
        count = len(self.taken)
        while self.taken:
            self.new.appendleft(self.taken.pop())
        return count


class FakeOrders:
    def __init__(self, *, forgotten: tuple[int, ...] = (), failures: int = 0) -> None:
        self.processed: list[int] = []
        self.during = lambda: None
        self._forgotten = list(forgotten)
        self._failures = failures

    def process(self, order_id: int) -> bool:
        if self._failures:
            self._failures -= 1
            raise psycopg.OperationalError("the connection is lost")
        self.during()
        self.processed.append(order_id)
        return True

    def forgotten(self, seconds: float) -> list[int]:
        return [number for number in self._forgotten if number not in self.processed]


def run(queue: FakeQueue, orders: FakeOrders) -> int:
    """Run a worker until the queue is empty; how often its heart beat."""
    beats = []
    queue.worker = Worker(queue, orders, lambda: beats.append(1), wait=0, retry_after=0)
    queue.worker.run()
    return len(beats)


def test_orders_are_processed_oldest_first_and_taken_off_the_list() -> None:
    queue, orders = FakeQueue(1, 2, 3), FakeOrders()
    assert run(queue, orders) == 4
    assert orders.processed == [1, 2, 3]
    assert queue.taken == []


def test_what_a_crashed_worker_had_taken_comes_first() -> None:
    queue, orders = FakeQueue(3), FakeOrders()
    queue.taken = [1, 2]
    run(queue, orders)
    assert orders.processed == [1, 2, 3]
    assert queue.taken == []


def test_orders_that_never_reached_the_queue_are_processed() -> None:
    queue, orders = FakeQueue(3), FakeOrders(forgotten=(1, 2))
    run(queue, orders)
    assert orders.processed == [1, 2, 3]


def test_an_order_survives_a_lost_database_and_the_heart_does_not_beat_meanwhile() -> None:
    queue, orders = FakeQueue(1), FakeOrders(failures=2)
    assert run(queue, orders) == 2
    assert orders.processed == [1]
    assert queue.taken == []


def test_stop_finishes_the_order_in_hand_and_takes_no_other() -> None:
    queue, orders = FakeQueue(1, 2), FakeOrders()
    orders.during = lambda: queue.worker.stop()
    run(queue, orders)
    assert orders.processed == [1]
    assert queue.taken == []
    assert list(queue.new) == [2]


def test_stop_during_a_sweep_leaves_the_rest_for_the_next_worker() -> None:
    queue, orders = FakeQueue(), FakeOrders(forgotten=(1, 2, 3))
    orders.during = lambda: queue.worker.stop()
    run(queue, orders)
    assert orders.processed == [1]


@pytest.mark.parametrize(("age", "code"), [(0, 0), (heartbeat.MAX_AGE + 1, 1)])
def test_the_health_check_looks_at_the_age_of_the_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float, code: int
) -> None:
    file = tmp_path / "heartbeat"
    monkeypatch.setenv("HEARTBEAT_FILE", str(file))
    assert heartbeat.main() == 1
    heartbeat.beat()
    os.utime(file, times=(time.time() - age,) * 2)
    assert heartbeat.main() == code
