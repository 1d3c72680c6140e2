from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.errors import Failed, Interrupted
from shiptasks.run import process
from shiptasks.run.graph import Cycle, Node, run_graph, side_by_side


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


def test_a_node_begins_when_all_that_it_needs_have_ended_well() -> None:
    ended: list[str] = []

    def work(name: str, seconds: float = 0.0) -> str:
        time.sleep(seconds)
        ended.append(name)
        return name

    nodes = [
        Node("d", partial(work, "d"), ("b", "c")),
        Node("a", partial(work, "a", 0.05)),
        Node("b", partial(work, "b", 0.1), ("a",)),
        Node("c", partial(work, "c"), ("a",)),
    ]
    outcomes = run_graph(nodes, jobs=4)
    assert list(outcomes) == ["d", "a", "b", "c"]  # as given, whatever ends first
    assert ended == ["a", "c", "b", "d"]


def test_what_needs_a_failed_node_is_not_started_and_says_whose_fault_it_is() -> None:
    nodes: list[Node[int]] = [
        Node("a", _fail),
        Node("b", partial(_after, 0.0, 1), ("a",)),
        Node("c", partial(_after, 0.0, 1), ("b",)),
        Node("other", partial(_after, 0.2, 2)),
    ]
    outcomes = run_graph(nodes, jobs=4, keep_going=True)
    assert [(key, outcome.started, outcome.held_by) for key, outcome in outcomes.items()] == [
        ("a", True, ()),
        ("b", False, ("a",)),
        ("c", False, ("b",)),
        ("other", True, ()),
    ]
    assert outcomes["other"].value == 2


def test_a_value_may_say_that_a_node_has_not_ended_well() -> None:
    nodes = [Node("a", partial(_after, 0.0, 0)), Node("b", partial(_after, 0.0, 1), ("a",))]
    assert run_graph(nodes, well=bool)["b"].held_by == ("a",)
    assert run_graph(nodes, well=lambda _: True)["b"].value == 1


def test_fail_fast_by_value_stops_what_runs_and_what_waits(tmp_path: Path) -> None:
    def sleeper() -> bool:
        return process.run(["sleep", "60"], cwd=tmp_path).ok

    nodes = [Node("sleeper", sleeper), Node("no", lambda: False), Node("late", sleeper, ("sleeper",))]
    began = time.monotonic()
    outcomes = run_graph(nodes, jobs=2, well=bool)
    assert time.monotonic() - began < 10
    assert isinstance(outcomes["sleeper"].error, Interrupted)
    assert outcomes["no"].value is False
    assert not outcomes["late"].started


def test_the_longest_way_to_the_end_begins_first() -> None:
    began: list[str] = []
    nodes = [
        Node("short", partial(began.append, "short"), seconds=1),
        Node("long", partial(began.append, "long"), seconds=5),
        Node("first", partial(began.append, "first"), seconds=1),
        Node("last", partial(began.append, "last"), ("first",), seconds=9),
    ]
    run_graph(nodes, jobs=1)
    assert began == ["first", "last", "long", "short"]


def test_nodes_that_wait_for_each_other_are_refused_and_nothing_runs() -> None:
    ran: list[str] = []
    nodes = [
        Node("ok", partial(ran.append, "ok")),
        Node("a", partial(ran.append, "a"), ("c",)),
        Node("b", partial(ran.append, "b"), ("a",)),
        Node("c", partial(ran.append, "c"), ("b",)),
    ]
    with pytest.raises(Cycle) as caught:
        run_graph(nodes)
    assert caught.value.keys[0] == caught.value.keys[-1]
    assert set(caught.value.keys) == {"a", "b", "c"}
    with pytest.raises(ValueError, match="two nodes have one key"):
        run_graph([nodes[0], nodes[0]])
    with pytest.raises(KeyError, match="nobody"):
        run_graph([Node("a", partial(ran.append, "a"), ("nobody",))])
    assert ran == []


def test_an_exit_in_a_node_does_not_hang_the_run() -> None:
    def leave() -> None:
        raise SystemExit(3)

    (outcome,) = run_graph([Node("leaver", leave)]).values()
    assert isinstance(outcome.error, Interrupted)


@given(
    needs=st.lists(st.sets(st.integers(0, 11), max_size=3), min_size=1, max_size=12),
    bad=st.sets(st.integers(0, 11)),
    jobs=st.integers(1, 4),
)
def test_any_graph_runs_in_order_each_node_once(needs: list[set[int]], bad: set[int], jobs: int) -> None:
    order: list[int] = []

    def work(number: int) -> bool:
        order.append(number)
        return number not in bad

    graph = {number: {need for need in each if need < number} for number, each in enumerate(needs)}
    nodes = [Node(str(key), partial(work, key), tuple(map(str, sorted(each)))) for key, each in graph.items()]
    outcomes = run_graph(nodes, jobs=jobs, keep_going=True, well=bool)
    assert len(order) == len(set(order))
    for number, each in graph.items():
        outcome = outcomes[str(number)]
        assert outcome.started == all(outcomes[str(need)].value for need in each)
        if outcome.started:
            assert all(order.index(need) < order.index(number) for need in each)
