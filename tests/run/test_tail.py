from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shiptasks.run.tail import Tail

BATCHES = st.lists(st.lists(st.text(alphabet="ab", max_size=6), max_size=8), max_size=20)


@given(BATCHES, st.integers(min_value=1, max_value=10), st.integers(min_value=6, max_value=40))
def test_it_keeps_the_last_lines_within_both_limits(batches: list[list[str]], most: int, characters: int) -> None:
    tail = Tail(lines=most, characters=characters)
    for batch in batches:
        tail.extend(batch)
    every = [line for batch in batches for line in batch]
    kept = tail.lines()
    assert kept == every[len(every) - len(kept) :]
    assert len(kept) <= most
    assert sum(map(len, kept)) <= characters
    assert tail.left_out() == len(every) - len(kept)
    assert bool(tail) == bool(every)
    if tail.left_out():  # it is full: one more would have been too many
        before = every[len(every) - len(kept) - 1]
        assert len(kept) == most or sum(map(len, kept)) + len(before) >= characters


def test_the_last_few_of_those_that_are_kept() -> None:
    tail = Tail(lines=5)
    tail.extend([str(number) for number in range(9)])
    assert (tail.lines(2), tail.left_out(2)) == (["7", "8"], 7)
    assert (tail.lines(0), tail.left_out(0)) == ([], 9)
    assert (tail.lines(99), tail.left_out(99)) == (tail.lines(), 4)
    assert (tail.lines(), tail.left_out()) == (["4", "5", "6", "7", "8"], 4)


def test_lines_come_back_under_what_they_were_given_with() -> None:
    tail = Tail(lines=3)
    tail.extend(["1", "2"], "stdout")
    tail.extend(["3"], "stderr")
    tail.extend(["4"], "stdout")
    assert list(tail.runs()) == [("stdout", ["2"]), ("stderr", ["3"]), ("stdout", ["4"])]


def test_memory_is_bounded_whatever_comes() -> None:
    tail = Tail()
    for _ in range(500):
        tail.extend(["x" * 60_000])
    assert sum(map(len, tail.lines())) <= 1_000_000
    for _ in range(500):
        tail.extend([""] * 1000)
    assert len(tail.lines()) == 2_000
