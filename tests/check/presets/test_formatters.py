from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.check.preset import Ended, Preset, Unreadable
from shiptasks.check.presets import black, isort
from shiptasks.errors import Failed
from tests.check.presets.tools import asked, refusal, repository, rows, run

BOTH = pytest.mark.parametrize("preset", [black.PRESET, isort.PRESET], ids=lambda preset: preset.name)
BAD = "import sys\nimport os\n\nprint( os, sys )\n"
GOOD = "import os\nimport sys\n\nprint(os, sys)\n"
RULE = {"black": "unformatted", "isort": "unsorted"}


@BOTH
def test_files_to_mend_are_findings(preset: Preset, tmp_path: Path) -> None:
    names = ["-x.py", "@x.py", "quo'te\".py", "new\nline.py", "api/a b.py"]
    root = repository(tmp_path, {**dict.fromkeys(names, BAD), "good.py": GOOD})
    read = run(preset, root)
    assert rows(read) == sorted((name, 0, 0, RULE[preset.name], "high") for name in names)
    assert (read.passed, read.detail) == (False, "5 findings")
    assert (root / "-x.py").read_text() == BAD
    read = run(preset, root, files=names[:-1])
    assert sorted(one.file for one in read.findings) == sorted(names[:-1])


@BOTH
def test_a_good_repository_passes(preset: Preset, tmp_path: Path) -> None:
    root = repository(tmp_path, {"api/good.py": GOOD})
    read = run(preset, root, cwd="api")
    assert (read.passed, read.findings, read.detail) == (True, (), "no findings")


@BOTH
def test_files_are_named_from_the_root(preset: Preset, tmp_path: Path) -> None:
    root = repository(tmp_path, {"api/src/bad.py": BAD, "api/other.py": BAD})
    assert [one.file for one in run(preset, root, cwd="api", paths=["src"]).findings] == ["api/src/bad.py"]


@BOTH
def test_fix_mends(preset: Preset, tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.py": BAD, "b.py": BAD})
    read = run(preset, root, fix=True)
    assert (read.passed, read.findings) == (True, ())
    assert (root / "a.py").read_text() != BAD
    assert read.detail == ("2 files fixed" if preset is isort.PRESET else "")
    assert run(preset, root).passed


@BOTH
def test_a_lint_of_nothing_is_no_pass(preset: Preset, tmp_path: Path) -> None:
    root = repository(tmp_path, {"web/node_modules/gyp/a.py": BAD, "README.md": ""})
    with pytest.raises(Failed) as error:
        preset.command(asked(root))
    assert (error.value.what, error.value.now) == ("there is no Python file under shop", "nothing was run")


def test_black_finds_files_that_it_cannot_parse(tmp_path: Path) -> None:
    root = repository(tmp_path, {"sub dir/broken.py": "def f(:\n", "bad.py": BAD})
    (root / "latin.py").write_bytes(b'x = "\xff"\n')
    read = run(black.PRESET, root)
    assert rows(read) == [
        ("bad.py", 0, 0, "unformatted", "high"),
        ("latin.py", 0, 0, "invalid-syntax", "high"),
        ("sub dir/broken.py", 1, 7, "invalid-syntax", "high"),
    ]
    assert not run(black.PRESET, root, fix=True).passed


def test_black_of_before_tells_of_the_same_in_one_line() -> None:
    stderr = (
        "error: cannot format /shop/sub dir/broken.py: Cannot parse: 1:6: def f(:\n"
        "would reformat new\nline.py\nwould reformat /shop/a.py\n\nOh no! 💥 💔 💥\n"
        "2 files would be reformatted, 1 file would fail to reformat.\n"
    )
    read = black.PRESET.read(asked(), Ended(123, "", stderr))
    assert rows(read) == [
        ("a.py", 0, 0, "unformatted", "high"),
        ("new\nline.py", 0, 0, "unformatted", "high"),
        ("sub dir/broken.py", 1, 7, "invalid-syntax", "high"),
    ]
    assert read.findings[-1].message == "Cannot parse: def f(:"


def test_colours_are_not_read() -> None:
    stderr = "\x1b[1mwould reformat a.py\x1b[0m\n\n\x1b[1mOh no!\x1b[0m\n"
    assert rows(black.PRESET.read(asked(), Ended(1, "", stderr))) == [("a.py", 0, 0, "unformatted", "high")]


def test_black_that_fails_itself(tmp_path: Path) -> None:
    root = repository(tmp_path, {"good.py": GOOD, "pyproject.toml": "[tool.black]\nline-length = 'long'\n"})
    with pytest.raises(Unreadable, match=r"^black failed with exit code 2: Error: Invalid value for '-l'"):
        run(black.PRESET, root)
    crash = "error: cannot format a.py: INTERNAL ERROR: Black produced different code\nwould reformat b.py\n"
    assert refusal(black.PRESET, 123, "", crash) == (
        "black failed with exit code 123: error: cannot format a.py: INTERNAL ERROR: Black produced different code"
    )
    assert refusal(black.PRESET, 1) == "black failed with exit code 1, and it wrote nothing"
    assert refusal(black.PRESET, 123, "", "1 file would fail") == "black failed with exit code 123: 1 file would fail"


def test_black_that_excludes_all_is_no_pass(tmp_path: Path) -> None:
    root = repository(tmp_path, {"gen/a.py": GOOD, "pyproject.toml": "[tool.black]\nextend-exclude = 'gen'\n"})
    with pytest.raises(Unreadable, match="there is nothing under shop that black's configuration does not exclude"):
        run(black.PRESET, root)


def test_isort_that_cannot_read_a_file_does_not_pass(tmp_path: Path) -> None:
    root = repository(tmp_path, {"good.py": GOOD})
    (root / "latin.py").write_bytes(b'import sys\nimport os\nx = "\xff"\n')
    read = run(isort.PRESET, root)
    assert rows(read) == [("latin.py", 0, 0, "unreadable", "high")]
    assert (read.passed, read.detail) == (False, "1 finding")
    assert not run(isort.PRESET, root, fix=True).passed


def test_isort_that_did_not_do_all_is_unreadable(tmp_path: Path) -> None:
    root = repository(tmp_path, {"good.py": GOOD})
    assert refusal(isort.PRESET, 0, "Skipped 1 files\nBroken 1 paths\n") == "isort could not do all: Broken 1 paths"
    (root / "pyproject.toml").write_text("[tool.isort\n")
    with pytest.raises(Unreadable, match=r"^isort could not do all: Failed to pull configuration information from /"):
        run(isort.PRESET, root)
    assert refusal(isort.PRESET, 1, "", "Traceback\nKeyError: 'x'\n") == (
        "isort failed with exit code 1: KeyError: 'x'"
    )
    assert refusal(isort.PRESET, 2, "", "isort: error: unrecognized arguments: --x") == (
        "isort failed with exit code 2: isort: error: unrecognized arguments: --x"
    )


def test_isort_says_it_in_its_own_form_whatever_is_configured(tmp_path: Path) -> None:
    settings = "[settings]\nformat_error = no: {message}\nquiet = true\nskip = gen\n"
    root = repository(tmp_path, {"bad.py": BAD, "gen/a.py": BAD, ".isort.cfg": settings})
    assert [one.file for one in run(isort.PRESET, root).findings] == ["bad.py"]
    assert [one.file for one in run(isort.PRESET, root, files=["bad.py", "gen/a.py"]).findings] == ["bad.py"]
