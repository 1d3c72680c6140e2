"""What holds for every lint preset."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.check.presets import PRESETS, reading, targets
from tests.check.presets.tools import asked, repository

LINT = [preset for preset in PRESETS.values() if preset.kind == "lint"]
EACH = pytest.mark.parametrize("preset", LINT, ids=lambda preset: preset.name)
CODES = st.sampled_from((0, 1, 2, 3, 16, 32, 123, 255, -9))
KEYS = (
    "filename", "location", "row", "column", "code", "message", "severity", "path", "line", "type", "message-id",
    "symbol", "file", "hint", "filePath", "messages", "ruleId", "level", "comments",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(("error", "a.py")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=20,
)
WORDS = st.sampled_from(
    (
        "would reformat ", "error: cannot format ", "error: cannot parse: ", "Would reformat: ", "a.py", "\n", ":1:2: ",
        "ERROR: ", " Imports are incorrectly sorted and/or formatted.", "UserWarning: Unable to parse file ", ":",
        " due to ", "::1:2:E1:", ":: text", ": [error] x (rule)", ": error: x  [syntax]", "error: Failed to parse ",
        "\x1b[1m", "\0", "\udcff",
    )
)  # fmt: skip
OUTPUTS = (
    st.binary().map(lambda data: data.decode("utf-8", "replace"))
    | st.lists(WORDS, max_size=12).map("".join)
    | JSON.map(json.dumps)
    | JSON.map(lambda value: json.dumps([value]))
)


def test_the_presets_are_these() -> None:
    assert [preset.name for preset in LINT] == [
        "ruff", "ruff-format", "black", "flake8", "isort", "pylint", "mypy", "eslint", "hadolint", "shellcheck",
        "yamllint",
    ]  # fmt: skip
    assert {preset.name for preset in LINT if preset.can_fix} == {"ruff", "ruff-format", "black", "isort", "eslint"}
    assert {preset.name for preset in LINT if preset.takes is None} == {"mypy"}


@EACH
def test_each_says_how_to_get_it_and_what_its_version_is(preset: Preset, tmp_path: Path) -> None:
    assert preset.install.split()[:2] in (["pip", "install"], ["npm", "install"])
    root = repository(tmp_path, {"a.py": "", "Dockerfile": "", "a.sh": "", "a.yml": ""})
    command = preset.command(asked(root))
    assert command[0] == preset.version[0]
    assert "--" in command


@EACH
@given(code=CODES, stdout=OUTPUTS, stderr=OUTPUTS, changed=st.booleans(), fix=st.booleans())
def test_any_end_is_a_reading_or_unreadable(
    preset: Preset, code: int, stdout: str, stderr: str, changed: bool, fix: bool
) -> None:
    request = Request(Path("/shop"), Path("/shop/api"), Path("/out"), files=("a.py",) if changed else None, fix=fix)
    try:
        read = preset.read(request, Ended(code, stdout, stderr))
    except Unreadable:
        return
    assert isinstance(read, Reading)
    assert read.passed is False or code == 0 or (preset.name == "mypy" and code == 1)
    assert code == 0 or read.findings
    for one in read.findings:
        assert one.line >= 0
        assert one.column >= 0
        assert "\n" not in one.message
        json.dumps([one.file, one.rule, one.message], ensure_ascii=False).encode()


@EACH
@pytest.mark.parametrize("text", ["[" * 100_000, '{"line": ' + "9" * 5000 + "}", "[NaN]", '["\\ud800"]'])
def test_hostile_json_is_unreadable(preset: Preset, text: str) -> None:
    with pytest.raises(Unreadable):
        preset.read(asked(), Ended(1, text, ""))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.py", "api/a.py"),
        ("./src/../a.py", "api/a.py"),
        ("../web/a.py", "web/a.py"),
        ("/shop/web/a.py", "web/a.py"),
        ("/elsewhere/a.py", "/elsewhere/a.py"),
        ("../../elsewhere/a.py", "/elsewhere/a.py"),
        ("/shop2/a.py", "/shop2/a.py"),
        ("new\nline.py", "api/new\nline.py"),
    ],
)
def test_files_of_findings_are_relative_to_the_root(path: str, expected: str) -> None:
    request = Request(Path("/shop"), Path("/shop/api"), Path("/out"))
    assert reading.where(request, path) == expected


def test_long_and_many_lined_messages_are_one_line_of_bearable_length() -> None:
    one = reading.finding(asked(), "a.py", -1, "R\n1", "first\n" + "x" * 5000, "low", -1)
    assert one.message == f"first {'x' * 993}…"
    assert (one.line, one.column, one.rule) == (0, 0, "R 1")


def test_the_last_words_are_those_that_say_why() -> None:
    stderr = "warning: old\nerror: no such option\nUsage: tool\n\n"
    assert reading.last_words(Ended(2, "stdout", stderr)) == "error: no such option"
    assert reading.last_words(Ended(2, "last line\n---\n", " \n")) == "last line"
    assert reading.last_words(Ended(2, "", "x" * 400)) == f"{'x' * 299}…"


def test_a_folder_that_cannot_be_read_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path, {"a/b.yml": ""})
    monkeypatch.chdir(root)
    (root / "a").chmod(0)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:  # root may read every folder: somebody else looks
                os.setgid(65534)
                os.setuid(65534)
            tuple(targets.walk(Path(), lambda path: True))
        except Exception as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    (root / "a").chmod(0o755)
    os.close(write)
    assert os.read(read, 1000).decode() == "the folder ./a cannot be read: Permission denied"
    os.close(read)
