from __future__ import annotations

import pytest

from shiptasks.run.table import size, table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("name", "size"), [("api", "9 B"), ("worker", "120 kB")], right=("size",)) == (
        "name      size\n"  #
        "api        9 B\n"
        "worker  120 kB"
    )


def test_wide_characters_and_escapes_do_not_break_the_columns() -> None:
    assert table(("a", "b"), [("日本", "x"), ("\x1b[31mz", "y")]) == "a     b\n日本  x\nz     y"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_111_062, "3.1 MB"), (321_000_000, "321 MB"),
     (999_999, "1.0 MB"), (2_500_000_000, "2.5 GB"), (None, "-")],
)  # fmt: skip
def test_sizes_in_powers_of_1000(count: int | None, text: str) -> None:
    assert size(count) == text
