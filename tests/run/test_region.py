from __future__ import annotations

import re

from shiptasks.run.region import Region
from tests.run.terminal import draw


class Screen:
    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.raw = ""
        self.last = ""

    def write(self, told: str) -> None:
        self.last = told
        self.raw += told

    def lines(self) -> list[str]:
        return draw(self.raw.replace("\n", "\r\n"), self.columns)


def lines(*texts: str) -> list[tuple[str, int]]:
    return [(text, len(text)) for text in texts]


def test_lines_are_drawn_over_and_others_stay_above_them() -> None:
    screen = Screen(20)
    region = Region(screen.write, lambda: screen.columns)
    region.draw(lines("one runs", "two runs"))
    region.draw(lines("one still runs", "two runs"))
    assert screen.lines() == ["one still runs", "two runs", ""]
    region.draw(lines("two runs"), above="one is done\n")
    assert screen.lines() == ["one is done", "two runs", ""]
    region.draw((), above="two is done\n")
    assert screen.lines() == ["one is done", "two is done", ""]


def test_without_lines_it_is_an_ordinary_terminal() -> None:
    screen = Screen(20)
    region = Region(screen.write, lambda: screen.columns)
    region.draw(())
    assert screen.raw == ""
    region.draw((), above="said\n")
    assert screen.raw == "said\n"


def test_one_drawing_is_one_write_that_erases_nothing_before_it_writes() -> None:
    screen = Screen(20)
    region = Region(screen.write, lambda: screen.columns)
    region.draw(lines("one runs"))
    region.draw(lines("one runs on"))
    assert screen.last == "\x1b[?2026h\r\x1b[1Aone runs on\x1b[K\n\x1b[J\x1b[?2026l"


def test_a_terminal_that_became_narrower_has_broken_its_lines() -> None:
    screen = Screen(80)
    region = Region(screen.write, lambda: screen.columns)
    region.draw(lines("x" * 79, "y" * 41, "z"))
    screen.columns = 40
    region.draw(lines("x" * 39))
    assert re.findall(r"\x1b\[(\d+)A", screen.last) == ["5"]  # 2 + 2 + 1
    screen.columns = 200
    region.draw(lines("x"))
    assert re.findall(r"\x1b\[(\d+)A", screen.last) == ["1"]
