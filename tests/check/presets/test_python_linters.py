from __future__ import annotations

import json
from pathlib import Path

import pytest

from shiptasks.check.preset import Ended, Preset, Unreadable
from shiptasks.check.presets import flake8, mypy, pylint
from shiptasks.errors import Failed
from tests.check.presets.tools import asked, refusal, repository, rows, run

ALL = pytest.mark.parametrize("preset", [flake8.PRESET, pylint.PRESET, mypy.PRESET], ids=lambda preset: preset.name)
GOOD = '"""A module."""\n\nX: int = 1\n'
BAD = '"""A module."""\n\nimport os\n\nX: int = missing\n'
BROKEN = "def f(:\n"


@ALL
def test_a_good_repository_passes(preset: Preset, tmp_path: Path) -> None:
    root = repository(tmp_path, {"api/good.py": GOOD})
    read = run(preset, root, cwd="api", paths=["good.py"])
    assert (read.passed, read.findings, read.detail) == (True, (), "no findings")


@ALL
def test_findings_have_place_and_rule(preset: Preset, tmp_path: Path) -> None:
    root = repository(tmp_path, {"api/a b.py": BAD})
    read = run(preset, root, cwd="api", paths=["a b.py"])
    assert not read.passed
    assert (
        rows(read)
        == {
            "flake8": [("api/a b.py", 3, 1, "F401", "high"), ("api/a b.py", 5, 10, "F821", "high")],
            "pylint": [
                ("api/a b.py", 1, 1, "C0103", "low"),
                ("api/a b.py", 3, 1, "W0611", "medium"),
                ("api/a b.py", 5, 10, "E0602", "high"),
            ],
            "mypy": [("api/a b.py", 5, 10, "name-defined", "high")],
        }[preset.name]
    )


@ALL
def test_a_syntax_error_is_a_finding(preset: Preset, tmp_path: Path) -> None:
    root = repository(tmp_path, {"broken.py": BROKEN})
    read = run(preset, root, paths=["broken.py"])
    assert not read.passed
    rule = {"flake8": "E999", "pylint": "E0001", "mypy": "syntax"}[preset.name]
    assert ("broken.py", 1, rule, "high") in [(one.file, one.line, one.rule, one.severity) for one in read.findings]


@pytest.mark.parametrize("preset", [flake8.PRESET, pylint.PRESET], ids=lambda preset: preset.name)
def test_files_with_names_of_all_kinds(preset: Preset, tmp_path: Path) -> None:
    names = ["-x.py", "@x.py", "quo'te\".py", "new\nline.py"]
    root = repository(tmp_path, {**dict.fromkeys(names, BAD), "other.py": BAD})
    read = run(preset, root, files=names)
    assert sorted({one.file for one in read.findings}) == sorted(names)


@pytest.mark.parametrize("preset", [flake8.PRESET, pylint.PRESET], ids=lambda preset: preset.name)
def test_a_lint_of_nothing_is_no_pass(preset: Preset, tmp_path: Path) -> None:
    with pytest.raises(Failed) as error:
        preset.command(asked(repository(tmp_path, {".venv/a.py": BAD, "a.txt": ""})))
    assert error.value.what == "there is no Python file under shop"


def test_mypy_takes_no_part_of_the_files() -> None:
    assert mypy.PRESET.takes is None


def test_flake8_is_read_whatever_is_configured(tmp_path: Path) -> None:
    settings = "[flake8]\nformat = pylint\nshow-source = true\nstatistics = true\ncount = true\nexclude = gen/*\n"
    root = repository(tmp_path, {"bad.py": BAD, "gen/a.py": BAD, ".flake8": settings})
    assert [one.rule for one in run(flake8.PRESET, root).findings] == ["F401", "F821"]
    assert run(flake8.PRESET, root, files=["gen/a.py"]).passed
    (root / "bad.py").write_text(GOOD)
    assert run(flake8.PRESET, root).passed


def test_flake8_warnings_and_errors(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.py": "X = 1 \ny=2\n"})
    assert [(one.rule, one.severity) for one in run(flake8.PRESET, root).findings] == [
        ("W291", "medium"),
        ("E225", "high"),
    ]


def test_flake8_that_fails_itself(tmp_path: Path) -> None:
    root = repository(tmp_path, {"good.py": GOOD, ".flake8": "[flake8]\nignore = \n    E1, # why\n"})
    with pytest.raises(Unreadable, match=r"^flake8 failed with exit code 1: ValueError: Error code '#'"):
        run(flake8.PRESET, root)
    crash = 'Traceback (most recent call last):\n  File "x"\nKeyError: 1\n'
    assert refusal(flake8.PRESET, 1, "::1:1:E1:a.py:: text\n", crash) == ("flake8 failed with exit code 1: KeyError: 1")
    assert refusal(flake8.PRESET, 0, "hello\n") == "the report of flake8 cannot be read: hello"
    assert refusal(flake8.PRESET, 1, "a.py:1:1: E1 text\n") == "flake8 failed with exit code 1: a.py:1:1: E1 text"


def test_pylint_looks_at_all_files_but_those_of_others(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a/b.py": BAD, "c.py": GOOD, "venv/lib/d.py": BAD, "web/node_modules/e.py": BAD})
    assert pylint.PRESET.command(asked(root))[-2:] == ("c.py", "a/b.py")
    assert {one.file for one in run(pylint.PRESET, root).findings} == {"a/b.py"}


def test_pylint_messages_are_as_pylint_writes_them(tmp_path: Path) -> None:
    root = repository(tmp_path, {"bad.py": BAD})
    assert run(pylint.PRESET, root).findings[-1].message == "Unused import os (unused-import)"


def test_pylint_passes_what_it_passes(tmp_path: Path) -> None:
    root = repository(tmp_path, {"bad.py": BAD})
    read = run(pylint.PRESET, root, args=["--exit-zero"])
    assert (read.passed, read.detail) == (True, "2 findings")


def test_pylint_that_fails_itself(tmp_path: Path) -> None:
    root = repository(tmp_path, {"good.py": GOOD})
    with pytest.raises(Unreadable, match=r"^pylint could not do all: No module named gone$"):
        run(pylint.PRESET, root, paths=["good.py", "gone"])
    with pytest.raises(Unreadable, match=r"^pylint failed with exit code 32: pylint: error: Unrecognized option"):
        run(pylint.PRESET, root, args=["--nope"])
    assert refusal(pylint.PRESET, 1, "[]") == "pylint failed with exit code 1"
    assert refusal(pylint.PRESET, 0, "Problem importing module\n[]") == (
        "the report of pylint cannot be read: Problem importing module"
    )
    assert refusal(pylint.PRESET, 0, "") == "the report of pylint cannot be read, and it wrote nothing"


def test_mypy_notes_do_not_fail(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.py": "x = 1\nreveal_type(x)\n"})
    read = run(mypy.PRESET, root, paths=["a.py"])
    assert (read.passed, rows(read)) == (True, [("a.py", 2, 13, "misc", "low")])


def test_mypy_takes_the_paths_of_its_own_configuration(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.py": BAD, "mypy.ini": "[mypy]\nfiles = a.py\npretty = true\n"})
    assert [one.rule for one in run(mypy.PRESET, root).findings] == ["name-defined"]
    (root / "mypy.ini").unlink()
    with pytest.raises(Unreadable) as error:
        run(mypy.PRESET, root)
    assert str(error.value) == (
        "mypy was not told what to look at: give paths here, or `files` in mypy's configuration"
    )


def test_mypy_that_fails_itself(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.txt": ""})
    with pytest.raises(Unreadable, match=r"^mypy failed with exit code 2: There are no \.py\[i\] files in"):
        run(mypy.PRESET, root, paths=["."])
    (root / "latin.py").write_bytes(b'x = "\xff"\n')
    with pytest.raises(Unreadable, match=r"^mypy failed with exit code 2: .*latin.py.* decode"):
        run(mypy.PRESET, root, paths=["latin.py"])
    assert refusal(mypy.PRESET, 1, "a.py:1: error: old form\n") == (
        "mypy failed with exit code 1: a.py:1: error: old form"
    )
    assert refusal(mypy.PRESET, 1) == "mypy failed with exit code 1, and it wrote nothing"


def test_a_mypy_without_json_says_so() -> None:
    assert refusal(mypy.PRESET, 2, "", "mypy: error: unrecognized arguments: --output=json") == (
        "this mypy cannot write JSON; 1.11 or later is needed: pip install --upgrade mypy"
    )


def test_mypy_before_2_tells_of_a_syntax_error_in_text() -> None:
    stdout = (
        "sub dir/a.py:1: error: invalid syntax  [syntax]\nFound 1 error in 1 file (errors prevented further checking)\n"
    )
    read = mypy.PRESET.read(asked(), Ended(2, stdout, ""))
    assert (read.passed, rows(read)) == (False, [("sub dir/a.py", 1, 0, "syntax", "high")])


def test_mypy_hints_stand_behind_the_message() -> None:
    line = json.dumps(
        {"file": "a.py", "line": 1, "column": -1, "message": "No", "hint": "so", "code": None, "severity": "error"}
    )
    (one,) = mypy.PRESET.read(asked(), Ended(1, line, "")).findings
    assert (one.message, one.column, one.rule) == ("No (so)", 0, "error")
