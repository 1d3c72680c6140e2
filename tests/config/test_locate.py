"""Every key is found where it was written, however TOML lets one write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiptasks.config.locate import Entry, KeyPath, Span, enclosing, locate
from shiptasks.config.toml import parse

SAMPLE = '''\
# a comment = [not a key]
title = "a # b = [c]"      # trailing
"quoted key" = 1
site."a.b".c = true
'literal ["' = 'x'

multi = """
[fake]
fake = 1 \\""" still
"""    # after
[ owner . "na\\u006de" ]
since = 1979-05-27 07:32:00Z
list = [ 1, [2, 3], # comment ]
  { x = "}", y.z = 4 },
  """five"""", ]
[[fruit]]
name = 'apple'
[fruit.size]
cm = 7
[[fruit.kind]]
k = 1
[[fruit.kind]]
k = 2
[[fruit]]
name = ''\'''\'
[last]
'''.replace("''\\'''\\'", "'''a''b'''''")

KEYS: dict[KeyPath, tuple[int, int]] = {
    ("title",): (2, 1),
    ("quoted key",): (3, 1),
    ("site",): (4, 1),
    ("site", "a.b"): (4, 6),
    ("site", "a.b", "c"): (4, 12),
    ('literal ["',): (5, 1),
    ("multi",): (7, 1),
    ("owner",): (11, 3),
    ("owner", "name"): (11, 11),
    ("owner", "name", "since"): (12, 1),
    ("owner", "name", "list"): (13, 1),
    ("owner", "name", "list", 0): (13, 10),
    ("owner", "name", "list", 1): (13, 13),
    ("owner", "name", "list", 1, 0): (13, 14),
    ("owner", "name", "list", 1, 1): (13, 17),
    ("owner", "name", "list", 2): (14, 3),
    ("owner", "name", "list", 2, "x"): (14, 5),
    ("owner", "name", "list", 2, "y"): (14, 14),
    ("owner", "name", "list", 2, "y", "z"): (14, 16),
    ("owner", "name", "list", 3): (15, 3),
    ("fruit",): (16, 3),
    ("fruit", 0): (16, 3),
    ("fruit", 0, "name"): (17, 1),
    ("fruit", 0, "size"): (18, 8),
    ("fruit", 0, "size", "cm"): (19, 1),
    ("fruit", 0, "kind"): (20, 9),
    ("fruit", 0, "kind", 0): (20, 9),
    ("fruit", 0, "kind", 0, "k"): (21, 1),
    ("fruit", 0, "kind", 1): (22, 9),
    ("fruit", 0, "kind", 1, "k"): (23, 1),
    ("fruit", 1): (24, 3),
    ("fruit", 1, "name"): (25, 1),
    ("last",): (26, 2),
}


def paths(value: Any, at: KeyPath = ()) -> Iterator[KeyPath]:
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*at, key))


def test_each_key_of_a_sample_is_at_its_line_and_column() -> None:
    entries = locate(SAMPLE)
    assert {path: (entry.key.line, entry.key.column) for path, entry in entries.items()} == KEYS
    assert set(KEYS) == set(paths(parse(SAMPLE)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("title",), '"a # b = [c]"'),
        (("multi",), '"""'),
        (("owner", "name", "since"), "1979-05-27 07:32:00Z"),
        (("owner", "name", "list"), "[ 1, [2, 3], # comment ]"),
        (("owner", "name", "list", 2), '{ x = "}", y.z = 4 }'),
        (("owner", "name", "list", 3), '"""five""""'),
        (("owner", "name", "list", 1, 1), "3"),
    ],
)
def test_a_value_is_where_it_is_written_up_to_the_end_of_its_first_line(path: KeyPath, text: str) -> None:
    span = locate(SAMPLE)[path].value
    assert SAMPLE.split("\n")[span.line - 1][span.column - 1 : span.end - 1] == text


def test_a_table_is_at_its_own_header_not_at_one_that_implies_it() -> None:
    assert locate("[a.b]\n[a]\n")[("a",)].key == Span(2, 2, 3)


def test_what_is_not_there_is_in_the_nearest_table_around_it() -> None:
    entries = locate("[a]\nb = [1]\n")
    key, value = Span(2, 1, 2), Span(2, 5, 8)
    assert enclosing(entries, ("a", "b", 7, "x")) == (("a", "b"), Entry(key, value))
    assert enclosing(entries, ("x",)) is None


# What a key may look like, and what it means.
NAMES = [
    ("a", "a"),
    ("b-1", "b-1"),
    ("1979", "1979"),
    ('"q k"', "q k"),
    ('"a.b"', "a.b"),
    ('"#"', "#"),
    ('"]="', "]="),
    ('"\\""', '"'),
    ('"\\u00e9\\t"', "é\t"),
    ("'li\"t'", 'li"t'),
    ('""', ""),
    ('"日本"', "日本"),
]
SCALARS = [
    "1",
    "-0.5e+3",
    "true",
    "inf",
    "0x_ff".replace("_", ""),
    "1979-05-27",
    "1979-05-27 07:32:00",
    "07:32:00.5",
    '""',
    '"a"',
    '"\\\\"',
    '"\\""',
    '"#]},="',
    "''",
    "'\\'",
    "'#\"'",
    '""""""',
    '"""a""b\\"" """',
    '"""\n[x]\n k = 1 # "\n"""',
    '"""x"""""',
    "''''''",
    "'''\n[y]\n'' '''''",
    '"""\\\n   y"""',
]
BLANKS = ["", " ", "\t", "  "]


_T = TypeVar("_T")


class Writer:
    """A TOML document written at random, with where each key was put."""

    def __init__(self, draw: st.DataObject) -> None:
        self.draw = draw
        self.text = ""
        self.keys: dict[KeyPath, tuple[int, int]] = {}
        self.values: dict[KeyPath, str] = {}

    def pick(self, options: list[_T]) -> _T:
        return self.draw.draw(st.sampled_from(options))

    def count(self, most: int) -> int:
        return self.draw.draw(st.integers(0, most))

    def here(self) -> tuple[int, int]:
        return self.text.count("\n") + 1, len(self.text) - (self.text.rfind("\n") + 1) + 1

    def put(self, text: str) -> None:
        self.text += text

    def blank(self) -> None:
        self.put(self.pick(BLANKS))

    def blank_lines(self) -> None:
        self.put(self.pick(["", " ", "\n", "\n\n\t", " # [c] = '\n", "#\n #x\n"]))

    def names(self) -> list[tuple[str, str]]:
        return [NAMES[index] for index in dict.fromkeys(self.count(len(NAMES) - 1) for _ in range(self.count(3)))]

    def key(self, path: KeyPath, written: str, *, first: bool = True) -> None:
        if not first:
            self.blank()
            self.put(".")
            self.blank()
        self.keys.setdefault(path, self.here())
        self.put(written)

    def value(self, path: KeyPath, depth: int) -> None:
        kind = self.pick(["scalar", "scalar", "array", "inline"]) if depth else "scalar"
        begin = len(self.text)
        if kind == "scalar":
            self.put(self.pick(SCALARS))
        elif kind == "array":
            self.array(path, depth)
        else:
            self.inline(path, depth)
        self.values[path] = self.text[begin:].split("\n")[0]

    def array(self, path: KeyPath, depth: int) -> None:
        self.put("[")
        self.blank_lines()
        length = self.count(3)
        for index in range(length):
            item = (*path, index)
            self.keys[item] = self.here()
            self.value(item, depth - 1)
            self.blank_lines()
            if index < length - 1 or self.count(1):
                self.put(",")
                self.blank_lines()
        self.put("]")

    def inline(self, path: KeyPath, depth: int) -> None:
        self.put("{")
        self.blank()
        for index, (written, meaning) in enumerate(self.names()):
            if index:
                self.put(",")
                self.blank()
            self.pair((*path, meaning), written, depth - 1)
            self.blank()
        self.put("}")

    def pair(self, path: KeyPath, written: str, depth: int) -> None:
        self.key(path, written)
        for _ in range(self.count(1)):
            written, meaning = self.pick(NAMES)
            path = (*path, meaning)
            self.key(path, written, first=False)
        self.blank()
        self.put("=")
        self.blank()
        self.value(path, depth)

    def body(self, path: KeyPath) -> set[str]:
        names = self.names()
        for written, meaning in names:
            self.blank()
            self.pair((*path, meaning), written, 2)
            self.put(self.pick(["\n", " # x = 1\n", "\n\n", "\n# [x]\n"]))
        return {meaning for _, meaning in names}

    def table(self, path: KeyPath, header: list[tuple[str, KeyPath]], depth: int) -> None:
        used = self.body(path)
        for written, meaning in self.names():
            if meaning in used or not depth:
                continue
            used.add(meaning)
            below = (*path, meaning)
            if self.count(2):
                self.header([*header, (written, below)], "[", "]")
                self.table(below, [*header, (written, below)], depth - 1)
            else:
                for index in range(1 + self.count(2)):
                    self.header([*header, (written, below)], "[[", "]]")
                    item = (*below, index)
                    self.keys[item] = self.last
                    self.table(item, [*header, (written, below)], depth - 1)

    def header(self, parts: list[tuple[str, KeyPath]], opening: str, closing: str) -> None:
        self.blank()
        self.put(opening)
        for index, (written, path) in enumerate(parts):
            self.blank()
            if index:
                self.put(".")
                self.blank()
            self.last = self.here()
            if index == len(parts) - 1:
                self.keys.setdefault(path, self.last)
            self.put(written)
        self.blank()
        self.put(closing + self.pick(["\n", " # [x]\n"]))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_each_key_is_found_where_it_was_written(draw: st.DataObject) -> None:
    writer = Writer(draw)
    writer.blank_lines()
    writer.table((), [], 3)
    writer.put(writer.pick(["", "# end", " "]))
    document = parse(writer.text)
    entries = locate(writer.text)
    assert {path: (entry.key.line, entry.key.column) for path, entry in entries.items()} == writer.keys
    assert set(entries) == set(paths(document))
    lines = writer.text.split("\n")
    for path, written in writer.values.items():
        span = entries[path].value
        assert lines[span.line - 1][span.column - 1 : span.end - 1] == written
