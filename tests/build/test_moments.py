from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build.moments import moment

WHEN = datetime(2026, 3, 4, 15, 5, 6, 789000, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("YYYYMMDD-HHmmss", "20260304-150506"),
        ("YY.M.D", "26.3.4"),
        ("Y Q Qo", "2026 1 1st"),
        ("MMM MMMM Mo", "Mar March 3rd"),
        ("D Do DDD DDDD DDDo", "4 4th 63 063 63rd"),
        ("d do dd ddd dddd e E", "3 3rd We Wed Wednesday 3 3"),
        ("W WW Wo GG GGGG w ww gggg", "10 10 10th 26 2026 10 10 2026"),
        ("H h hh k kk m mm s ss", "15 3 03 15 15 5 05 6 06"),
        ("Hmm hmm Hmmss hmmss", "1505 305 150506 30506"),
        ("S SS SSS SSSSSS SSSSSSSSS", "7 78 789 789000 789000000"),
        ("a A", "pm PM"),
        ("X x", "1772636706 1772636706789"),
        ("Z ZZ z", "+00:00 +0000 UTC"),
        ("YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2026-03-04T15:05:06.789Z"),
        ("[YYYY] \\Y [at]", "YYYY Y at"),
        ("YYYYY YYYYYY", "02026 +002026"),
        ("", ""),
    ],
)
def test_patterns(pattern: str, expected: str) -> None:
    assert moment(WHEN, pattern) == expected


def test_without_a_pattern_and_elsewhere() -> None:
    assert moment(WHEN, None) == "2026-03-04T15:05:06Z"
    assert moment(WHEN, None, "Asia/Tokyo") == "2026-03-05T00:05:06+09:00"
    assert moment(WHEN, "YYYYMMDD HHmm Z", "America/New_York") == "20260304 1005 -05:00"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ((2021, 1, 1), "2020-W53 2021-w1"),
        ((2021, 12, 31), "2021-W52 2022-w1"),
        ((2022, 12, 31), "2022-W52 2022-w53"),
        ((2023, 1, 1), "2022-W52 2023-w1"),
        ((2024, 12, 29), "2024-W52 2025-w1"),
    ],
)
def test_weeks_at_the_turn_of_the_year(day: tuple[int, int, int], expected: str) -> None:
    assert moment(datetime(*day, tzinfo=timezone.utc), "GGGG-[W]W gggg-[w]w") == expected


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "/etc/localtime", "a\0b"])
def test_unknown_zones(zone: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        moment(WHEN, "YYYY", zone)


@given(st.datetimes(timezones=st.just(timezone.utc)), st.text(max_size=40))
def test_any_pattern_gives_some_text(when: datetime, pattern: str) -> None:
    assert isinstance(moment(when, pattern), str)
