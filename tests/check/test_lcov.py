"""LCOV: what tools write, what is broken, and the way there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.check import lcov
from shiptasks.check.coverage_model import FileCoverage, Totals
from shiptasks.check.preset import Unreadable

VITEST = """TN:
SF:src/cart.js
FN:1,add
FNF:1
FNH:1
FNDA:2,add
DA:1,1
DA:2,2
DA:3,0
LF:3
LH:2
BRDA:1,0,0,2
BRDA:2,1,0,0
BRF:2
BRH:1
end_of_record
"""


def test_lines_and_branches() -> None:
    files = lcov.read(VITEST)
    assert files == {"src/cart.js": FileCoverage({1: 1, 2: 2, 3: 0}, {(1, "0,0"): True, (2, "1,0"): False})}
    assert files["src/cart.js"].totals == Totals(3, 2, 2, 1)
    assert files["src/cart.js"].missed == (3,)


def test_records_of_one_file_are_put_together() -> None:
    text = "SF:a.c\nDA:1,0,xxHash==\nDA:2,1.5e+09\nend_of_record\nSF:a.c\nDA:1,4\nDA:1,1\nend_of_record\n"
    assert lcov.read(text)["a.c"].lines == {1: 5, 2: 1_500_000_000}


def test_windows_line_ends_and_words_outside_of_records() -> None:
    assert lcov.read("TN:x\r\nSF:a.js\r\nDA:1,1\r\nVER:1\r\nend_of_record\r\nbye\r\n")["a.js"].lines == {1: 1}


def test_branches_that_never_ran_and_that_share_a_name() -> None:
    text = "SF:a.py\nDA:1,0\nBRDA:1,0,jump to line 2, or not,-\nBRDA:1,0,exit,1\nBRDA:1,0,exit,0\nend_of_record\n"
    assert lcov.read(text)["a.py"].totals == Totals(1, 0, 3, 1)


def test_branches_that_are_only_counted() -> None:
    text = "SF:a.py\nDA:1,1\nBRDA:1,0,0,1\nBRF:{}\nBRH:{}\nend_of_record\n"
    assert lcov.read(text.format(3, 2))["a.py"].totals == Totals(1, 1, 3, 2)
    for nonsense in ((0, 0), (1, 5), (9, 0)):
        assert lcov.read(text.format(*nonsense))["a.py"].totals == Totals(1, 1, 1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the LCOV report names no file"),
        ("TN:\n", "the LCOV report names no file"),
        ("SF:a\nDA:1,1\n", "the LCOV report ends in the middle of a file: it was cut off"),
        ("SF:a\nSF:b\n", "line 2 of the LCOV report begins a file within another"),
        ("SF:\nend_of_record\n", "line 1 of the LCOV report names no file"),
        ("SF:a\nDA:1\nend_of_record\n", "line 2 of the LCOV report cannot be read: 'DA:1'"),
        ("SF:a\nDA:one,1\n", "line 2 of the LCOV report cannot be read: 'DA:one,1'"),
        ("SF:a\nDA:1,-1\n", "line 2 of the LCOV report cannot be read: 'DA:1,-1'"),
        ("SF:a\nDA:1,1e99\n", "line 2 of the LCOV report cannot be read: 'DA:1,1e99'"),
        ("SF:a\nDA:999999999,1\n", "line 2 of the LCOV report cannot be read: 'DA:999999999,1'"),
        ("SF:a\nBRDA:1,x\n", "line 2 of the LCOV report cannot be read: 'BRDA:1,x'"),
        ("SF:a\nBRF:nan\n", "line 2 of the LCOV report cannot be read: 'BRF:nan'"),
    ],
)
def test_what_is_no_lcov(text: str, said: str) -> None:
    with pytest.raises(Unreadable) as raised:
        lcov.read(text)
    assert str(raised.value) == said


_LINES = st.dictionaries(st.integers(1, 10_000), st.integers(0, 10**9), max_size=8)
_BRANCHES = st.dictionaries(
    st.tuples(st.integers(1, 10_000), st.from_regex(r"[0-9]{1,3},[a-z0-9 ,]{0,8}[a-z0-9]", fullmatch=True)),
    st.booleans(),
    max_size=8,
)
_UNNAMED = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: (max(pair), min(pair)))
_FILES = st.dictionaries(
    st.from_regex(r"[a-z/]{1,10}\.py", fullmatch=True),
    st.builds(FileCoverage, _LINES, _BRANCHES, _UNNAMED),
    min_size=1,
    max_size=4,
)


@given(_FILES)
def test_what_is_written_is_read_again(files: dict[str, FileCoverage]) -> None:
    assert lcov.read(lcov.write(files)) == files


_WORDS = st.sampled_from(
    ["SF:a.js", "DA:1,1", "DA:1,", "BRDA:1,0,0,-", "BRDA:,,,", "BRF:9", "BRH:9", "LF:x", "end_of_record", "DA:\u0663,1"]
)


@given(st.one_of(st.text(max_size=100), st.lists(_WORDS, max_size=10).map("\n".join)))
def test_any_text_is_coverage_or_unreadable(text: str) -> None:
    try:
        files = lcov.read(text)
    except Unreadable:
        return
    assert all(0 <= one.totals.percent <= 100 for one in files.values())
