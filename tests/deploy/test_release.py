"""Releases and their history as text, and the way back that follows from it."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.deploy.release import HistoryEntry, Release, new_id, parse_history, way_back
from tests.deploy.sample import entry, release


def test_release_survives_its_file() -> None:
    one = release("1.0.0", services={"api": {"port": 8000}})
    assert Release.from_json(one.to_json()) == one


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"images": {"api": 3}}', '{"images": {}, "surplus": 1}'])
def test_what_is_not_a_release(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a release|Expecting|not enough"):
        Release.from_json(text)


def test_ids_sort_by_time() -> None:
    at = datetime.datetime(2026, 11, 21, 17, 15, tzinfo=datetime.timezone.utc)
    assert new_id("1.1.0", at) == "20261121T171500Z-1.1.0"
    assert new_id("2.0.0", at) < new_id("1.0.0", at + datetime.timedelta(seconds=1))


def test_history_leaves_out_what_a_crash_cut_off() -> None:
    lines = entry("1.0.0").to_line() + "\n" + entry("1.1.0").to_line() + "\n" + '{"release": "r-1.2'
    assert [one.version for one in parse_history(lines)] == ["1.0.0", "1.1.0"]
    assert json.loads(entry("1.0.0").to_line())["kind"] == "deploy"


def versions(*history: HistoryEntry) -> list[str]:
    return [one.version for one in way_back(history)]


def test_way_back() -> None:
    one, two, three = entry("1.0.0"), entry("1.1.0"), entry("1.2.0")
    back = entry("1.0.0", "rollback")
    assert versions() == []
    assert versions(one, two, three) == ["1.2.0", "1.1.0", "1.0.0"]
    assert versions(one, two, back) == ["1.0.0"]
    assert versions(one, two, back, three) == ["1.2.0", "1.0.0"]
    assert versions(one, one) == ["1.0.0"]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=30))
def test_way_back_is_a_stack(moves: list[tuple[bool, int]]) -> None:
    """The model: a deploy pushes a new release, a rollback pops down to one that is there."""
    stack: list[str] = []
    history: list[HistoryEntry] = []
    for number, (is_deploy, depth) in enumerate(moves):
        if is_deploy or not stack:
            stack.append(f"{number}.0.0")
            history.append(entry(f"{number}.0.0"))
        else:
            target = stack[-1 - depth % len(stack)]
            del stack[stack.index(target) + 1 :]
            history.append(entry(target, "rollback"))
        assert [one.version for one in way_back(history)] == stack[::-1]
