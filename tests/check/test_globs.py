from __future__ import annotations

import fnmatch
import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shiptasks.check.globs import Globs
from shiptasks.errors import UsageError

PATHS = ("a.py", "src/a.py", "src/gen/b.py", "src/gen/deep/c.py", "src/gen", "gen", "other/src", ".env", "src/.hid/x")


def taken(*patterns: str, paths: tuple[str, ...] = PATHS) -> list[str]:
    globs = Globs(patterns)
    return [path for path in paths if globs.takes(path)]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("src",), ["src/a.py", "src/gen/b.py", "src/gen/deep/c.py", "src/gen", "src/.hid/x"]),
        (("./src//gen/",), ["src/gen/b.py", "src/gen/deep/c.py"]),
        (("src/*",), ["src/a.py", "src/gen"]),
        (("src/*/",), ["src/gen/b.py", "src/gen/deep/c.py", "src/.hid/x"]),
        (("*/gen",), ["src/gen/b.py", "src/gen/deep/c.py", "src/gen"]),
        (("**/*.py",), ["a.py", "src/a.py", "src/gen/b.py", "src/gen/deep/c.py"]),
        (("**/**/c.py",), ["src/gen/deep/c.py"]),
        (("src/**/c.py", "a.p?"), ["a.py", "src/gen/deep/c.py"]),
        (("src/**",), ["src/a.py", "src/gen/b.py", "src/gen/deep/c.py", "src/gen", "src/.hid/x"]),
        (("**/src",), ["src/a.py", "src/gen/b.py", "src/gen/deep/c.py", "src/gen", "other/src", "src/.hid/x"]),
        ((".",), list(PATHS)),
        (("**", "!**/*.py"), ["src/gen", "gen", "other/src", ".env", "src/.hid/x"]),
        (("!src/gen/**", "src/**/*.py"), ["src/a.py"]),
        (("src", "!**/gen", "!**/.*"), ["src/a.py", "src/.hid/x"]),
        (("[a-z].py", "[!g]*"), ["a.py", ".env"]),
        (("A.py", "SRC"), []),
    ],
)
def test_patterns(patterns: tuple[str, ...], expected: list[str]) -> None:
    assert taken(*patterns) == expected


@pytest.mark.parametrize(
    ("folder", "pattern", "expected"),
    [
        ("src", "*.py", ["src/a.py"]),
        ("src/", ".", ["src/a.py", "src/gen/b.py", "src/gen/deep/c.py", "src/gen", "src/.hid/x"]),
        ("src/gen", "../*.py", ["src/a.py"]),
        ("src/gen", "../../*.py", ["a.py"]),
        ("src", "..", list(PATHS)),
        (".", "a.py", ["a.py"]),
        ("[sg]rc", "a.py", []),
    ],
)
def test_patterns_may_be_relative_to_a_folder(folder: str, pattern: str, expected: list[str]) -> None:
    globs = Globs([pattern], folder=folder)
    assert [path for path in PATHS if globs.takes(path)] == expected
    assert Globs(["x/y.py"], folder="[sg]rc").takes("[sg]rc/x/y.py")
    assert Globs([".", "!gen"], folder="src").takes("src/gen/b.py") is False
    with pytest.raises(UsageError, match="it leads out of the folder of"):
        Globs(["../../../x"], folder="src/gen")


@pytest.mark.parametrize(
    ("patterns", "enters", "stays_out"),
    [
        (("src/**/*.py",), ("", "src/", "src/a/b/"), ("docs/", "src2/", "a/src/")),
        (("*.toml",), ("",), ("src/", "a.toml/")),
        (("src",), ("", "src/", "src/a/"), ("docs/",)),
        (("a/*/c",), ("", "a/", "a/b/", "a/b/c/", "a/b/c/d/"), ("b/", "a/b/x/")),
        (("**/x.py",), ("", "any/thing/"), ()),
        (
            ("src", "!src/gen", "!**/tmp/**", "!src/*.d", "!src/only/*"),
            ("src/", "src/a.d/", "src/only/"),
            ("src/gen/", "src/a/tmp/"),
        ),
    ],
)
def test_only_folders_that_may_hold_files_are_entered(
    patterns: tuple[str, ...], enters: tuple[str, ...], stays_out: tuple[str, ...]
) -> None:
    globs = Globs(patterns)
    assert [folder for folder in (*enters, *stays_out) if globs.enters(folder)] == list(enters)


@pytest.mark.parametrize(
    ("patterns", "what"),
    [
        ((), "there are no inputs"),
        (("!src",), "no pattern says which files are inputs, only which are not"),
        (("",), "the input '' is not a pattern: it is empty"),
        (("src", "!"), "the input '' is not a pattern: it is empty"),
        (
            ("/etc/passwd",),
            "the input '/etc/passwd' is not a pattern: it is absolute",
        ),
        (("src/../../x",), "the input 'src/../../x' is not a pattern: it leads out of the folder of pyproject.toml"),
        (("src\\a.py",), "the input 'src\\\\a.py' is not a pattern: it has a backslash; folders are divided by `/`"),
        (("a\0b",), "the input 'a\\x00b' is not a pattern: no name has a NUL character"),
    ],
)
def test_what_is_no_pattern_is_refused(patterns: tuple[str, ...], what: str) -> None:
    with pytest.raises(UsageError) as caught:
        Globs(patterns, where="pyproject.toml:7")
    assert caught.value.what == what
    assert (caught.value.where, caught.value.now) == ("pyproject.toml:7", "nothing was run")


def test_each_pattern_has_to_take_a_file() -> None:
    globs = Globs(("src", "doc/*.md", "!src/gen"), where="pyproject.toml:7")
    globs.require(["src/a.py", "doc/x.md"])
    with pytest.raises(UsageError) as caught:
        globs.require(["src/a.py"])
    assert caught.value.what == "the input 'doc/*.md' matches no file"
    assert caught.value.where == "pyproject.toml:7"


def test_a_name_with_a_bracket_gets_the_right_hint() -> None:
    with pytest.raises(UsageError) as caught:
        Globs(("app/[slug]/page.tsx",)).require(["app/[slug]/page.tsx"])
    assert "write `[[]`" in caught.value.hint
    Globs(("app/[[]slug]/page.tsx",)).require(["app/[slug]/page.tsx"])


LETTERS = st.text("ab.-]![*?^", max_size=6)
NAME = st.text("ab.-]![^", min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))


@settings(max_examples=600)
@example("[]-a]", "b")
@example("[!]a]x", "]x")
@example("[b-a]", "a")
@example("[!b-a]", "a")
@example("[a-b-c]", "-")
@given(LETTERS.filter(lambda text: text not in ("", ".", "..") and not text.startswith("!") and "**" not in text), NAME)
def test_one_name_is_as_fnmatch_has_it(pattern: str, name: str) -> None:
    assert Globs([f"{pattern}"]).takes(name) == fnmatch.fnmatchcase(name, pattern)


PART = st.sampled_from(["a", "b", "*", "?", "a*", "[ab]", "**", "*.py", "c.py", "[!a]"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(PART, min_size=1, max_size=4).filter(lambda parts: parts[-1] != "**"))
def test_files_are_those_that_pathlib_finds(tree: Path, parts: list[str]) -> None:
    pattern = "/".join(parts)
    matched = {path.relative_to(tree).as_posix() for path in tree.glob(pattern)}
    files = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    expected = matched & files
    if not re.search(r"[*?\[]", parts[-1]):  # a folder means all that is in it
        expected |= {path for path in files if any(path.startswith(f"{each}/") for each in matched)}
    globs = Globs([pattern])
    assert {path for path in files if globs.takes(path)} == expected
    for path in expected:
        above = ["", *(f"{parent}/" for parent in PurePosixPath(path).parents if str(parent) != ".")]
        assert all(globs.enters(folder) for folder in above), path


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for folder in ("", "a/", "b/", "a/b/", "a/a/b/", "b/c.py/", "x/a/"):
        (root / folder).mkdir(exist_ok=True, parents=True)
        for name in ("a1", "b1", "d.py", ".x"):
            (root / folder / name).write_text("")
    return root
