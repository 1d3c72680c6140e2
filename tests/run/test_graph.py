from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shiptasks.errors import Failed, Interrupted
from shiptasks.run import process
from shiptasks.run.graph import side_by_side


def _after(seconds: float, value: int) -> int:
    time.sleep(seconds)
    return value


def _fail() -> int:
    raise Failed("no")


def test_results_come_in_the_order_given() -> None:
    outcomes = side_by_side([partial(_after, 0.2, 1), partial(_after, 0.0, 2)], jobs=2)
    assert [outcome.value for outcome in outcomes] == [1, 2]
    assert all(outcome.ok for outcome in outcomes)


def test_nothing_to_do() -> None:
    assert side_by_side([]) == ()


def test_at_most_so_many_at_a_time() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1

    side_by_side([work] * 6, jobs=2)
    assert most == 2


def test_they_really_run_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=5)
    assert all(outcome.ok for outcome in side_by_side([barrier.wait] * 3, jobs=3))


def test_keep_going_runs_the_others_to_their_end() -> None:
    functions: list[Callable[[], int]] = [_fail, partial(_after, 0.1, 2)]
    outcomes = side_by_side(functions, jobs=1, keep_going=True)
    assert isinstance(outcomes[0].error, Failed)
    assert outcomes[1].value == 2


def test_fail_fast_ends_running_processes_and_starts_no_more(tmp_path: Path) -> None:
    def sleeper() -> process.Result:
        return process.run(["sleep", "60"], cwd=tmp_path)

    def fail_soon() -> process.Result:
        time.sleep(0.3)
        raise Failed("no")

    began = time.monotonic()
    outcomes = side_by_side((sleeper, fail_soon, sleeper), jobs=2)
    assert time.monotonic() - began < 10
    assert isinstance(outcomes[0].error, Interrupted)
    assert isinstance(outcomes[1].error, Failed)
    assert not outcomes[2].started


def test_a_stop_reaches_steps_inside_steps(tmp_path: Path) -> None:
    def inner() -> object:
        return side_by_side([partial(process.run, ["sleep", "60"], cwd=tmp_path)], keep_going=True)[0].error

    def fail_soon() -> object:
        time.sleep(0.3)
        raise Failed("no")

    outcomes = side_by_side([inner, fail_soon], jobs=2)
    assert isinstance(outcomes[0].value, Interrupted)


def test_an_interrupt_ends_all_and_is_raised_when_they_have_ended(tmp_path: Path) -> None:
    ended: list[str] = []

    def sleeper() -> None:
        try:
            process.run(["sleep", "60"], cwd=tmp_path)
        finally:
            ended.append("ended")

    threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        side_by_side([sleeper, sleeper, sleeper], jobs=2, keep_going=True)
    assert ended == ["ended", "ended"]
