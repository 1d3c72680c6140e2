from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.plugins.protocols import Severity
from shiptasks.run import text
from shiptasks.run.events import StepFinding
from shiptasks.run.findings import MOST, counted, place, table


def finding(
    file: str = "a.py",
    line: int = 1,
    column: int = 0,
    rule: str = "E1",
    message: str = "wrong",
    severity: Severity = "high",
    tool: str = "ruff",
) -> StepFinding:
    return StepFinding(
        step="1", tool=tool, file=file, line=line, column=column, rule=rule, message=message, severity=severity
    )


def shown(found: list[StepFinding], columns: int) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in table(found, columns)]


def test_one_table_of_all_tools_by_file_and_line() -> None:
    found = [
        finding("b.py", 2, 1, "attr-defined", "no such thing", tool="mypy"),
        finding("b.py", 10, 4, "F401", "unused"),
        finding("a/Dockerfile", 0, 0, "DL3006", "tag the image", "medium", "hadolint"),
        finding("b.py", 2, 1, "E501", "too long", "low"),
    ]
    assert shown(found, 80) == [
        "  a/Dockerfile  medium  hadolint DL3006    tag the image",
        "  b.py:2:1      high    mypy attr-defined  no such thing",
        "  b.py:2:1      low     ruff E501          too long",
        "  b.py:10:4     high    ruff F401          unused",
    ]


def test_a_long_message_goes_on_below_itself() -> None:
    lines = shown([finding(message="word " * 30)], 80)
    assert lines[0].startswith("  a.py:1  high  ruff E1  word word")
    assert lines[1].startswith(" " * 25 + "word")
    assert all(len(line) <= 80 for line in lines)


def test_a_long_path_keeps_its_end() -> None:
    path = "services/checkout/src/checkout/adapters/http/controllers/order_lines.py"
    line = shown([finding(path, 112, 5)], 80)[0]
    assert line == "  services/c…/order_lines.py:112:5  high  ruff E1  wrong"


@given(
    st.lists(
        st.builds(
            finding,
            file=st.text(max_size=90),
            line=st.integers(0, 10**6),
            column=st.integers(0, 10**4),
            rule=st.text(max_size=60),
            message=st.text(max_size=400),
            severity=st.sampled_from(["critical", "high", "medium", "low", "info"]),
            tool=st.text(max_size=30),
        ),
        max_size=5,
    ),
    st.sampled_from([20, 33, 60, 80, 120, 200]),
)
def test_every_line_fits(found: list[StepFinding], columns: int) -> None:
    for line in table(found, columns):
        assert text.width("".join(part for part, _ in line).rstrip()) <= columns


def test_only_so_many_are_shown() -> None:
    found = [finding(line=number) for number in range(1, 200)]
    assert len(shown(found, 80)) == MOST
    assert len(table(found, 80, most=len(found))) == 199
    assert table([], 80) == []


@pytest.mark.parametrize(
    ("line", "column", "told"), [(0, 0, "a.py"), (3, 0, "a.py:3"), (3, 7, "a.py:3:7"), (0, 7, "a.py")]
)
def test_places(line: int, column: int, told: str) -> None:
    assert place(finding("a.py", line, column)) == told


def test_what_a_tool_wrote_cannot_steer_the_terminal() -> None:
    evil = finding("\x1b[2Ja.py", rule="\x1b[31mx", message="\x07a\nb\x1b[0m", tool="\x9bt")
    told = "".join(shown([evil], 80))
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in told)


def test_counts_by_tool() -> None:
    assert counted([finding(tool="ruff"), finding(tool="mypy"), finding(tool="ruff")]) == "3 (ruff 2, mypy 1)"
