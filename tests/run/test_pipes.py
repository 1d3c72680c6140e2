from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.run.pipes import Lines

CHUNKS = st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"\r\n", b"\r", b"\xe2\x82", b"\xac"]), max_size=30)


def fed(chunks: Sequence[bytes], keep: int = 1_000) -> tuple[list[str], Lines]:
    told: list[str] = []
    lines = Lines("stdout", lambda some, _: told.extend(some), keep)
    for chunk in chunks:
        lines.feed(chunk)
    lines.finish()
    return told, lines


@given(CHUNKS)
def test_however_it_comes_it_is_the_same_lines(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    whole = data.split(b"\n")
    expected = [line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace") for line in whole]
    told, lines = fed(chunks)
    assert told == (expected if whole[-1] else expected[:-1])
    assert lines.text() == data.decode("utf-8", "replace")
    assert not lines.truncated


@given(CHUNKS, st.integers(0, 50))
def test_what_is_kept_is_the_end(chunks: list[bytes], keep: int) -> None:
    data = b"".join(chunks)
    _, lines = fed(chunks, keep)
    assert lines.truncated == (len(data) > keep)
    kept = data[len(data) - keep :] if len(data) > keep else data
    assert len(lines.text().encode()) <= 3 * keep  # a byte that is no UTF-8 is shown by three
    assert lines.text() in (kept.decode("utf-8", "replace"), kept.partition(b"\n")[2].decode("utf-8", "replace"))


def test_a_line_without_an_end_is_cut_and_nothing_is_lost() -> None:
    told, _ = fed([b"x" * 50_000] * 8)
    assert [len(line) for line in told] == [65_536] * 6 + [400_000 - 6 * 65_536]


def test_one_that_raises_is_told_no_more() -> None:
    count = itertools.count()

    def broken(lines: Sequence[str], stream: str) -> None:
        next(count)
        raise ValueError(stream)

    lines = Lines("stderr", broken, 0)
    with pytest.raises(ValueError, match="stderr"):
        lines.feed(b"x\n")
    lines.feed(b"x\n")
    assert next(count) == 1
