from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.check.preset import Ended, Unreadable
from shiptasks.check.presets import ruff
from shiptasks.errors import Failed
from tests.check.presets.tools import asked, refusal, repository, rows, run

BAD = "import os\n\n\ndef f():\n    return missing\n"
GOOD = '"""A module."""\n\nX = 1\n'
BROKEN = "def f(:\n"


def test_findings_have_place_and_rule(tmp_path: Path) -> None:
    root = repository(tmp_path, {"src/bad name.py": BAD, "good.py": GOOD})
    read = run(ruff.CHECK, root)
    assert rows(read) == [
        ("src/bad name.py", 1, 8, "F401", "high"),
        ("src/bad name.py", 5, 12, "F821", "high"),
    ]
    assert (read.passed, read.detail) == (False, "2 findings")
    assert {one.message for one in read.findings} == {"`os` imported but unused", "Undefined name `missing`"}


def test_a_good_repository_passes(tmp_path: Path) -> None:
    root = repository(tmp_path, {"good.py": GOOD})
    for preset in (ruff.CHECK, ruff.FORMAT):
        read = run(preset, root)
        assert (read.passed, read.findings, read.detail) == (True, (), "no findings")


def test_it_runs_in_the_folder_of_a_service_and_names_files_from_the_root(tmp_path: Path) -> None:
    root = repository(tmp_path, {"api/app/main.py": BAD})
    assert {one.file for one in run(ruff.CHECK, root, cwd="api").findings} == {"api/app/main.py"}


def test_a_linked_folder_is_no_other_place(tmp_path: Path) -> None:
    root = repository(tmp_path, {"bad.py": BAD})
    link = tmp_path / "link"
    link.symlink_to(root)
    assert {one.file for one in run(ruff.CHECK, link).findings} == {"bad.py"}


def test_a_syntax_error_is_a_finding_of_both(tmp_path: Path) -> None:
    root = repository(tmp_path, {"broken.py": BROKEN})
    for preset in (ruff.CHECK, ruff.FORMAT):
        read = run(preset, root)
        assert not read.passed
        assert ("broken.py", 1, 7, "invalid-syntax", "high") in rows(read)


def test_unformatted_files_are_findings(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.py": "x=1\n", "b.py": GOOD, "c.py": BROKEN, "new\nline.py": "x=1\n"})
    read = run(ruff.FORMAT, root)
    assert {(one.file, one.rule) for one in read.findings} == {
        ("a.py", "unformatted"),
        ("c.py", "invalid-syntax"),
        ("new\nline.py", "unformatted"),
    }
    assert not read.passed


def test_formatters_of_before_are_read_from_text() -> None:
    stdout = "Would reformat: a.py\nWould reformat: new\nline.py\n2 files would be reformatted, 1 file left\n"
    stderr = "error: Failed to parse sub dir/c.py:1:12: Expected a parameter\n"
    request = asked()
    read = ruff.FORMAT.read(request, Ended(2, stdout, stderr))
    assert rows(read) == [
        ("a.py", 0, 0, "unformatted", "high"),
        ("new\nline.py", 0, 0, "unformatted", "high"),
        ("sub dir/c.py", 1, 12, "invalid-syntax", "high"),
    ]


def test_fix_mends_and_tells_what_is_left(tmp_path: Path) -> None:
    root = repository(tmp_path, {"bad.py": BAD})
    read = run(ruff.CHECK, root, fix=True)
    assert rows(read) == [("bad.py", 4, 12, "F821", "high")]
    assert "import os" not in (root / "bad.py").read_text()


def test_without_fix_nothing_is_mended_whatever_is_configured(tmp_path: Path) -> None:
    root = repository(tmp_path, {"bad.py": BAD, "ruff.toml": "fix = true\noutput-format = 'github'\n"})
    assert len(run(ruff.CHECK, root).findings) == 2
    assert (root / "bad.py").read_text() == BAD


def test_fix_formats(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.py": "x=1\n", "b.py": BROKEN})
    read = run(ruff.FORMAT, root, fix=True)
    assert (root / "a.py").read_text() == "x = 1\n"
    assert [(one.file, one.rule) for one in read.findings] == [("b.py", "invalid-syntax")]
    (root / "b.py").unlink()
    assert run(ruff.FORMAT, root, fix=True).passed


def test_files_with_names_of_all_kinds(tmp_path: Path) -> None:
    names = ["-x.py", "@x.py", "quo'te\".py", "new\nline.py", "a b.py"]
    root = repository(tmp_path, dict.fromkeys((*names, "other.py"), "import os\n"))
    read = run(ruff.CHECK, root, files=names)
    assert sorted(one.file for one in read.findings) == sorted(names)


def test_a_changed_file_that_is_excluded_stays_excluded(tmp_path: Path) -> None:
    root = repository(tmp_path, {"gen/a.py": BAD, "ruff.toml": "extend-exclude = ['gen']\n"})
    for preset in (ruff.CHECK, ruff.FORMAT):
        assert run(preset, root, files=["gen/a.py"]).passed


def test_a_lint_of_nothing_is_no_pass(tmp_path: Path) -> None:
    root = repository(tmp_path, {"README": "", ".venv/lib/a.py": GOOD, "env/pyvenv.cfg": "", "env/b.py": GOOD})
    with pytest.raises(Failed) as error:
        ruff.CHECK.command(asked(root))
    assert error.value.what == "there is no Python file under shop"
    with pytest.raises(Failed) as error:
        ruff.CHECK.command(asked(root, paths=(".venv/lib/a.py", "src")))
    assert error.value.what == "there is no file or folder 'src' in shop"
    assert ruff.CHECK.command(asked(root, paths=(".venv/lib",)))[-1] == ".venv/lib"


def test_excluding_all_is_no_pass(tmp_path: Path) -> None:
    root = repository(tmp_path, {"gen/a.py": GOOD, "ruff.toml": "extend-exclude = ['gen']\n"})
    words = "there is nothing under gen that ruff's configuration does not exclude"
    for preset in (ruff.CHECK, ruff.FORMAT):
        with pytest.raises(Unreadable, match=words):
            run(preset, root, paths=["gen"], args=["--force-exclude"])


def test_a_broken_configuration_is_ruffs_own_failure(tmp_path: Path) -> None:
    root = repository(tmp_path, {"good.py": GOOD, "ruff.toml": "[lint\n"})
    for preset, name in ((ruff.CHECK, "ruff"), (ruff.FORMAT, "ruff format")):
        with pytest.raises(Unreadable, match=rf"^{name} failed with exit code 2: Cause: TOML parse error at line 1"):
            run(preset, root)


def test_ends_that_cannot_be_read() -> None:
    assert refusal(ruff.CHECK, 0, "[{") == "the report of ruff cannot be read"
    assert refusal(ruff.CHECK, 0) == "the report of ruff cannot be read, and it wrote nothing"
    assert refusal(ruff.CHECK, 1, "[]") == "ruff failed with exit code 1"
    assert refusal(ruff.CHECK, -11) == "ruff was ended by SIGSEGV, and it wrote nothing"
    assert refusal(ruff.CHECK, 0, '{"a": 1}') == ("ruff wrote a report of an unknown form: the whole is no list")
    assert (
        refusal(ruff.CHECK, 1, '[{"filename": 1}]') == "ruff wrote a report of an unknown form: location is no object"
    )
    assert refusal(ruff.FORMAT, 1, "1 file would be reformatted") == (
        "ruff format failed with exit code 1: 1 file would be reformatted"
    )
    assert refusal(ruff.FORMAT, 2, "", "error: Failed to write a.py: full") == (
        "ruff format failed with exit code 2: error: Failed to write a.py: full"
    )
