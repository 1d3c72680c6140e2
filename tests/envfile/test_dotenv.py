from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.envfile.dotenv import Wrong, assignment, parse

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
ODD = st.text("ab'\"\\$ #\n\r\t{}:=-?!%é&0nr", max_size=20)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A = b", "b"),
        ("A: b", "b"),
        ("export A=b", "b"),
        ("  export\tA=b", "b"),
        ("A=", ""),
        ("A=b # c", "b"),
        ("A=b#c", "b#c"),
        ("A='b # c' # d", "b # c"),
        ('A="b # c"', "b # c"),
        ("A=b c  ", "b c"),
        ("A='$B'", "$B"),
        ("A=$$B", "$B"),
        (r'A="\$B"', "$B"),
        (r'A="a\nb"', "a\nb"),
        (r"A='a\nb'", r"a\nb"),
        (r"A='it\'s'", "it's"),
        ('A="a\nb"', "a\nb"),
        ("A='a\r\nb'", "a\nb"),
        ("A=${B:-c}", "c"),
        ("A=${HOME}", "/root"),
        ("A=$HOME/x", "/root/x"),
        ("A=${HOME:+y}", "y"),
        ("A=${B-}", ""),
        ("\ufeffA=b", "b"),
        ("A=b\r\n", "b"),
        ("A=b=c", "b=c"),
    ],
)
def test_a_value_as_compose_reads_it(text: str, value: str) -> None:
    read = parse(text.encode(), {"HOME": "/root"})
    assert (read.values, read.wrong) == ({"A": value}, ())


def test_lines_and_comments() -> None:
    read = parse(b"# head\n\n# one\n# required\nA=1\nB='x\ny'\n\n# gone\n\nC=3\nD\n")
    found = [(each.name, each.line, each.last, each.comments) for each in read.variables]
    assert found == [("A", 5, 5, ("one", "required")), ("B", 6, 7, ()), ("C", 11, 11, ()), ("D", 12, 12, ())]
    assert read.values == {"A": "1", "B": "x\ny", "C": "3"}


def test_a_variable_may_use_those_before_it() -> None:
    assert parse(b"A=x\nB=${A}y\n").values["B"] == "xy"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("A=1\nA B=2", 2, "a space is in the name: NAME=value is expected"),
        ("=x", 1, "there is no name before the equals sign"),
        ("A=1\n\nA!=2", 3, "the character '!' cannot be in a name: NAME=value is expected"),
        ("A='x", 1, "the quote that begins here is not closed"),
        ('B=1\nA="x\ny', 2, "the quote that begins here is not closed"),
        ("A='x'y", 1, "there is text behind the closing quote"),
        ("A=${B:?no}", 1, "it needs the variable B, which is not set"),
    ],
)
def test_wrong_lines_are_located(text: str, line: int, what: str) -> None:
    assert parse(text.encode()).wrong == (Wrong(line, what),)


def test_what_is_not_utf8_is_located() -> None:
    assert parse(b"A=1\nB=\xff").wrong == (Wrong(2, "it is not UTF-8 text"),)


def test_a_value_is_not_in_the_representation() -> None:
    assert "hunter22" not in repr(parse(b"A=hunter22"))


def test_repeated_variables() -> None:
    read = parse(b"A=1\nB=2\nA=3\n")
    assert [(again.line, first.line) for again, first in read.repeated()] == [(3, 1)]
    assert read.values["A"] == "3"


@given(st.binary(max_size=200))
def test_anything_is_read_or_refused(content: bytes) -> None:
    read = parse(content)
    lines = [each.line for each in read.variables] + [each.line for each in read.wrong]
    assert all(line >= 1 for line in lines)


@given(st.one_of(VALUES, ODD))
def test_what_is_written_is_read(value: str) -> None:
    read = parse(f"B=1\n{assignment('A', value)}\nC=2\n".encode())
    assert (read.values, read.wrong) == ({"B": "1", "A": value, "C": "2"}, ())


def test_a_nul_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="a NUL cannot be in an environment file"):
        assignment("A", "a\0b")


EXAMPLES = [
    "plain",
    "it's",
    'a"b',
    "a\\",
    "a\\'b",
    "\\\\",
    "$HOME ${A:-b} $$",
    "a\nb\r\nc",
    " space # no comment ",
    "#",
    "é…\U0001f511",
    "\\n\\t\\0123",
    "-----BEGIN KEY-----\nab+/=\n-----END KEY-----\n",
    "'\"'\"'",
    "`id`;&|",
]


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker command to read the file with")
def test_compose_itself_reads_what_is_written(tmp_path: Path) -> None:
    names = [f"V{number}" for number in range(len(EXAMPLES))]
    service = {"image": "x", "environment": {name: f"${{{name}}}" for name in names}}
    (tmp_path / "compose.json").write_text(json.dumps({"services": {"a": service}}))
    lines = [assignment(name, value) for name, value in zip(names, EXAMPLES, strict=True)]
    (tmp_path / "env").write_bytes("\n".join(lines).encode())
    argv = ["docker", "compose", "--file", "compose.json", "--env-file", "env", "config", "--format", "json"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True)
    if b"is not a docker command" in done.stderr or b"unknown" in done.stderr:
        pytest.skip("no Compose plugin")
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)["services"]["a"]["environment"]
    # Compose doubles each dollar of what it prints, so that it can be read again.
    assert [read[name].replace("$$", "$") for name in names] == EXAMPLES
