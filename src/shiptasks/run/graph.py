"""Work side by side: nodes with what they need, results in the order given, and nothing left running when it ends."""

from __future__ import annotations

import contextvars
import heapq
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from shiptasks.errors import Interrupted
from shiptasks.run.process import Stop, current_stop

T = TypeVar("T")


@dataclass(frozen=True)
class Node(Generic[T]):
    """A piece of work. It begins when all that it `needs`, by key, has ended well."""

    key: str
    call: Callable[[], T]
    needs: tuple[str, ...] = ()
    seconds: float = 1.0
    """How long it is expected to take: of what could begin, that with the longest way to the end begins first."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of a node: a value, an error, or neither when it was never started.

    `held_by` are the keys among its needs that did not end well; empty where it was the end of the run that held it.
    """

    value: T | None = None
    error: Exception | None = None
    started: bool = True
    held_by: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.started and self.error is None


class Cycle(ValueError):
    """Nodes that wait for each other. `keys` is the way round, its first key again at the end."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(" -> ".join(keys))
        self.keys = tuple(keys)


def side_by_side(
    functions: Sequence[Callable[[], T]], *, jobs: int = 0, keep_going: bool = False
) -> tuple[Outcome[T], ...]:
    """Call every function, as `run_graph` does with nodes that need nothing; outcomes in the order given."""
    nodes = [Node(str(index), function) for index, function in enumerate(functions)]
    return tuple(run_graph(nodes, jobs=jobs, keep_going=keep_going).values())


def run_graph(
    nodes: Sequence[Node[T]],
    *,
    jobs: int = 0,
    keep_going: bool = False,
    well: Callable[[T], bool] = lambda _: True,
) -> dict[str, Outcome[T]]:
    """Call every node, at most `jobs` at a time (0: one for each processor); outcomes by key, in the order given.

    A node has ended well when it raised nothing and `well` says so of its value. What needs one that has not is never
    started. Unless `keep_going`, the first that has not stops the others: their local processes are ended, those that
    wait are not started. An interrupt does the same and is raised when all have ended.
    Raises Cycle, and KeyError for a need that is no node; then nothing has run.
    """
    from concurrent.futures import ThreadPoolExecutor

    if not nodes:
        return {}
    ranks = _ranks(nodes)
    stop = Stop(current_stop.get())
    ended: SimpleQueue[tuple[str, Outcome[T]]] = SimpleQueue()
    outcomes: dict[str, Outcome[T]] = {}
    waiting = {node.key: set(node.needs) for node in nodes}
    needed_by: dict[str, list[str]] = {node.key: [] for node in nodes}
    for node in nodes:
        for need in set(node.needs):
            needed_by[need].append(node.key)
    by_key = {node.key: (index, node) for index, node in enumerate(nodes)}
    ready: list[tuple[float, int]] = []

    def may_begin(key: str) -> None:
        heapq.heappush(ready, (-ranks[key], by_key[key][0]))

    def work(node: Node[T]) -> None:
        current_stop.set(stop)
        try:
            outcome = Outcome(value=node.call())
        except Exception as error:
            outcome = Outcome[T](error=error)
        except BaseException as error:  # a third-party library's exit in a thread must not hang the run
            outcome = Outcome(error=Interrupted(f"{node.key} ended by {type(error).__name__}"))
        ended.put((node.key, outcome))

    def settle(key: str, outcome: Outcome[T]) -> None:
        outcomes[key] = outcome
        good = outcome.ok and well(outcome.value)  # type: ignore[arg-type]
        if not good and outcome.started and not keep_going:
            stop.set()
        for other in needed_by[key]:
            if other in outcomes:
                continue
            waiting[other].discard(key)
            if not good:
                settle(other, Outcome(started=False, held_by=(key,)))
            elif not waiting[other]:
                may_begin(other)

    for node in nodes:
        if not node.needs:
            may_begin(node.key)
    most = min(jobs or os.cpu_count() or 1, len(nodes))
    pool = ThreadPoolExecutor(max_workers=most)
    running = 0
    try:
        while ready or running:
            while ready and running < most and not stop.is_set():
                node = nodes[heapq.heappop(ready)[1]]
                pool.submit(contextvars.copy_context().run, work, node)
                running += 1
            if not running:
                break
            key, outcome = ended.get()
            running -= 1
            settle(key, outcome)
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(wait=True)
    return {node.key: outcomes.get(node.key, Outcome(started=False)) for node in nodes}


def _ranks(nodes: Sequence[Node[T]]) -> dict[str, float]:
    """Seconds from the beginning of each node to the end of the longest chain that needs it."""
    from graphlib import CycleError, TopologicalSorter

    by_key = {node.key: node for node in nodes}
    if len(by_key) != len(nodes):
        raise ValueError("two nodes have one key")
    try:
        order = tuple(TopologicalSorter({node.key: node.needs for node in nodes}).static_order())
    except CycleError as error:
        raise Cycle(error.args[1]) from None
    ranks = dict.fromkeys(order, 0.0)
    for key in reversed(order):
        ranks[key] += by_key[key].seconds
        for need in by_key[key].needs:
            ranks[need] = max(ranks[need], ranks[key])
    return ranks
