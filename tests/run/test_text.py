from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.run import text
from shiptasks.run.events import Failure, RunFinished, RunStarted


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.04, "0.0s"),
        (0.44, "0.4s"),
        (12.34, "12.3s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (123, "2m03s"),
        (3840, "1h04m"),
    ],
)
def test_seconds(value: float, shown: str) -> None:
    assert text.seconds(value) == shown


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("\x1b[2J\x1b[Hwiped", "wiped"),
        ("a\x08\x07b", "ab"),
        ("\x9b31mc1", "31mc1"),
        ("tab\tstop", "tab     stop"),
        ("section_end:1:x\r\x1b[0K", "section_end:1:x"),
    ],
)
def test_what_processes_write_cannot_steer_a_terminal(dirty: str, clean: str) -> None:
    assert text.clean(dirty) == clean


@given(st.text())
def test_clean_text_holds_no_control_character(value: str) -> None:
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in text.clean(value))


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"])), st.integers(min_value=1, max_value=40))
def test_truncated_text_fits(value: str, columns: int) -> None:
    assert text.width(text.truncate(value, columns)) <= columns


def test_wide_characters_count_twice() -> None:
    assert text.width("漢字") == 4
    assert text.truncate("漢字漢字", 5) == "漢字…"


@given(
    st.text(max_size=100),
    st.text(max_size=60),
    st.text(max_size=200),
    st.floats(min_value=0, max_value=350_000),
    st.sampled_from([78, 118]),
)
def test_the_line_of_a_step_is_exactly_as_wide_as_it_may_be(
    title: str, where: str, detail: str, took: float, columns: int
) -> None:
    cells, time_ = text.step_cells(title, where, detail, took, columns)
    assert text.width("".join(cells) + time_) == columns
    assert time_.endswith(text.seconds(took))


def test_titles_places_and_details_stand_in_columns() -> None:
    cells, _ = text.step_cells("Pull images", "web1/api", "3 layers", 1.0, 118)
    line = "".join(cells)
    assert (line.index("Pull"), line.index("web1"), line.index("3 layers")) == (0, 32, 52)
    cells, _ = text.step_cells("lint ruff", "", "All checks passed!", 1.0, 118)
    assert "".join(cells).index("All") == 32


def test_the_longest_field_gives_way() -> None:
    cells, _ = text.step_cells("Wait until healthy", "web1/api", "x" * 200, 1.0, 78)
    line = "".join(cells)
    assert "Wait until healthy" in line
    assert "web1/api" in line
    assert line.endswith("…")


def test_header_and_footer() -> None:
    started = RunStarted(run_id="r", task="deploy", project="shop", environment="staging", version="1.1.0")
    assert text.header(started) == "deploy shop 1.1.0 to staging"
    assert text.header(RunStarted(run_id="r", task="check", project="shop")) == "check shop"
    end = RunFinished(outcome="ok", seconds=2.1, exit_code=0, summary="5 passed")
    assert text.footer(started, end) == "deploy done in 2.1s: 5 passed"


def test_a_failure_says_what_where_now_next_and_wraps_only_at_spaces() -> None:
    event = Failure(
        what="api did not become healthy within 30 seconds because its healthcheck failed nine times in a row",
        where="web1, api",
        now="version 1.0.0 still serves",
        hint="inv verify --env=staging-with-a-long-name",
        details=("line one\nline two",),
    )
    lines = text.failure(event, 60)
    assert [label for label, _ in lines] == ["", "", "where", "now", "next", "|", "|"]
    assert all(len(line) <= 58 for _, line in lines)
    assert ("next", "inv verify --env=staging-with-a-long-name") in lines
