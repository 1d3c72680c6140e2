from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shiptasks.envfile import create
from shiptasks.envfile.template import Template, read
from shiptasks.errors import Failed

TEXT = """\
# About.

# The database's.
# required
# generate: printf made-1
PASSWORD=

# required
# warning: it costs money
KEY=

LEVEL=INFO
"""


@pytest.fixture
def template() -> Template:
    return read(".env.template", TEXT.encode())


def test_a_new_file_is_the_template_filled_in(template: Template, tmp_path: Path) -> None:
    draft = create.draft(template, None)
    assert [entry.name for entry in draft.generate] == ["PASSWORD"]
    assert [(entry.name, entry.warnings) for entry in draft.to_fill] == [("KEY", ("it costs money",))]
    assert create.generated(draft, tmp_path).text == TEXT.replace("PASSWORD=", "PASSWORD=made-1")


def test_what_is_there_stays(template: Template, tmp_path: Path) -> None:
    draft = create.draft(template, b"# mine\nLEVEL='a b' # why\nPASSWORD=kept\nOWN=1")
    assert draft.added == ("KEY",)
    assert draft.generate == ()
    text = create.generated(draft, tmp_path).text
    assert text == "# mine\nLEVEL='a b' # why\nPASSWORD=kept\nOWN=1\n\n# required\n# warning: it costs money\nKEY=\n"
    assert create.draft(template, text.encode()).nothing_to_do


def test_what_is_empty_or_a_placeholder_is_generated(template: Template, tmp_path: Path) -> None:
    draft = create.draft(template, b"PASSWORD=changeme\nKEY=k\nLEVEL=x\n")
    assert create.generated(draft, tmp_path).text == "PASSWORD=made-1\nKEY=k\nLEVEL=x\n"


def test_what_comes_from_elsewhere_is_left_out(template: Template) -> None:
    draft = create.draft(template, None, frozenset({"PASSWORD"}))
    assert "\n# PASSWORD=\n" in draft.text
    assert draft.generate == ()


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("false", "the command that generates A failed with exit code 1"),
        ("true", "the command that generates A printed nothing"),
    ],
)
def test_a_command_that_does_not_help(command: str, what: str, tmp_path: Path) -> None:
    draft = create.draft(read("t", f"# generate: {command}\nA=\n".encode()), None)
    with pytest.raises(Failed) as caught:
        create.generated(draft, tmp_path)
    assert (caught.value.what, caught.value.where, caught.value.now) == (what, command, "nothing was written")


def test_no_shell_runs_it(tmp_path: Path) -> None:
    draft = create.draft(read("t", b"# generate: echo $HOME `id` ; x\nA=\n"), None)
    assert create.generated(draft, tmp_path).text == "# generate: echo $HOME `id` ; x\nA='$HOME `id` ; x'\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("# generate: 'x", "the command behind `generate:` has a quote that is not closed"),
        ("# generate:", "there is no command behind `generate:`"),
    ],
)
def test_wrong_marks(line: str, problem: str) -> None:
    assert read("t", f"{line}\nA=\n".encode()).entries["A"].problem == problem


def test_it_is_written_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / ".env.local"
        path.write_text("old")
        path.chmod(0o644)
        create.write(path, "A=1\n")
    finally:
        os.umask(before)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("A=1\n", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        create.write(tmp_path / "no" / ".env", "A=1\n")
    assert caught.value.what == "the environment file cannot be written: No such file or directory"
