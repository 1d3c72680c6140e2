"""Whatever the sets and settings: nothing is started or stopped twice, and there is always enough to serve."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shiptasks.deploy.strategies import rolling

SETS = st.tuples(st.integers(0, 6), st.integers(0, 6))


@given(SETS, st.integers(1, 4), st.booleans(), st.booleans())
def test_every_container_makes_its_whole_way_once(
    counts: tuple[int, int], batch: int, routed: bool, stop_first: bool
) -> None:
    old = [f"old{number}" for number in range(counts[0])]
    new = [f"new{number}" for number in range(counts[1])]
    way: dict[str, list[str]] = {name: [] for name in (*old, *new)}
    for move in rolling(old, new, batch=batch, routed=routed, stop_first=stop_first):
        assert move.containers
        for name in move.containers:
            way[name].append(move.move)
    for name in new:
        assert way[name] == (["start", "route"] if routed else ["start"])
    for name in old:
        assert way[name] == (["drain", "stop"] if routed else ["stop"])


@given(SETS, st.integers(1, 4), st.booleans())
def test_there_is_always_enough_to_serve_and_never_more_than_a_batch_too_many(
    counts: tuple[int, int], batch: int, routed: bool
) -> None:
    old = [f"old{number}" for number in range(counts[0])]
    new = [f"new{number}" for number in range(counts[1])]
    running, traffic = set(old), set(old)
    for move in rolling(old, new, batch=batch, routed=routed, stop_first=False):
        change = set(move.containers)
        if move.move == "start":
            running |= change
            traffic |= set() if routed else change
        if move.move == "route":
            assert change <= running
            traffic |= change
        if move.move == "drain":
            traffic -= change
        if move.move == "stop":
            running -= change
            traffic -= change
        assert traffic <= running
        assert len(traffic) >= min(len(old), len(new))
        assert len(running) <= max(len(old), len(new)) + (batch if old else 0)
    assert running == traffic == set(new)


@given(SETS, st.integers(1, 4), st.booleans())
def test_with_stop_first_no_batch_runs_beside_the_one_that_it_replaces(
    counts: tuple[int, int], batch: int, routed: bool
) -> None:
    old = [f"old{number}" for number in range(counts[0])]
    new = [f"new{number}" for number in range(counts[1])]
    running = set(old)
    for move in rolling(old, new, batch=batch, routed=routed, stop_first=True):
        if move.move == "start":
            running |= set(move.containers)
            assert len(running) <= max(len(old), len(new))
        if move.move == "stop":
            running -= set(move.containers)
    assert running == set(new)
