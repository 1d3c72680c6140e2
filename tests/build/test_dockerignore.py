"""The rules of .dockerignore by hand; tests/lab/test_build_inputs.py holds them against BuildKit itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build.dockerignore import Ignore, patterns, place, read, walk
from shiptasks.build.unclear import Unclear

ROWS = [
    # lines of the ignore file, what is left out, what is not
    ("a", ["a", "a/b", "a/b/c"], ["b/a", "ab", "A"]),
    ("a/", ["a", "a/b"], ["b/a"]),
    ("/a", ["a", "a/b"], ["b/a"]),
    ("/a/", ["a", "a/b"], ["b/a"]),
    ("./a", ["a"], ["b/a"]),
    ("//a", ["a"], ["b/a"]),
    ("a/./b", ["a/b"], ["a"]),
    ("a//b", ["a/b"], ["a"]),
    ("a/../b", ["b"], ["a", "a/b"]),
    ("../a", [], ["a"]),
    (".", [], ["a", "a/b"]),
    ("/", [], ["a", "a/b"]),
    ("a/b", ["a/b", "a/b/c"], ["a", "a/c", "b"]),
    ("*", ["a", "a/b", ".git"], []),
    ("*.md", ["a.md", ".md"], ["b/a.md", "a.mdx", "amd"]),
    ("*/*.md", ["b/a.md"], ["a.md", "c/b/a.md"]),
    ("*/a", ["b/a", "b/a/c"], ["a", "c/b/a"]),
    ("a*", ["a", "ab", "ab/c"], ["ba"]),
    ("*a*", ["a", "bab"], ["b", "b/a"]),
    ("a?", ["ab", "ab/c"], ["a", "abc", "a/"]),
    ("??", ["ab"], ["a", "abc"]),
    ("**", ["a", "a/b", ".a"], []),
    ("**/", ["a", "a/b"], []),
    ("/**", ["a", "a/b"], []),
    ("**/a", ["a", "b/a", "c/b/a", "b/a/c"], ["ab", "ba", "b/ba"]),
    ("**/a/", ["a", "b/a"], ["ba"]),
    ("**a", ["a", "ba", "b/a", "b/ca"], ["ab", "a.b"]),
    ("**/*.md", ["a.md", "b/a.md", "c/b/a.md"], ["a.txt"]),
    ("**/a/b", ["a/b", "c/a/b"], ["a", "b"]),
    ("a/**", ["a/b", "a/b/c"], ["a", "ab", "b"]),
    ("a**", ["a", "ab", "a/b", "ab/c"], ["ba"]),
    ("a/**/b", ["a/b", "a/c/b", "a/c/d/b"], ["a", "a/c", "b"]),
    ("a**b", ["ab", "ac/b"], ["acb", "a/c"]),
    ("a/***", ["a/b", "a/b/c"], ["a"]),
    ("**/a/**", ["a/b", "c/a/b"], ["a", "c/a", "ab"]),
    ("[ab]", ["a", "b"], ["c", "ab"]),
    ("[a-c]x", ["ax", "bx", "cx/y"], ["dx", "x"]),
    ("[^a]", ["b", "c"], ["a", "bb"]),
    ("[!a]", ["a", "!"], ["b"]),
    ("x[\\]]", ["x]"], ["x"]),
    ("\\*", ["*"], ["a", "**"]),
    ("\\!a", ["!a"], ["a"]),
    ("\\#a", ["#a"], ["a"]),
    ("a\\?", ["a?"], ["ab"]),
    ("# a\na", ["a"], ["# a"]),
    (" # a", ["# a"], ["a"]),
    ("a # b", ["a # b"], ["a"]),
    ("  a  ", ["a"], []),
    ("a b", ["a b"], ["a", "b"]),
    ("\n\n\ta\t\n\n", ["a"], []),
    ("a\r\nb\r\n", ["a", "b"], ["c"]),
    ("\ufeffa", ["a"], ["b"]),
    ("*\n!a", ["b", "b/a"], ["a", "a/b", "a/b/c"]),
    ("*\n! a", ["b"], ["a"]),
    ("*\n!/a", ["b"], ["a"]),
    ("*\n!a/b", ["a", "a/c", "b"], ["a/b", "a/b/c"]),
    ("a\n!a/b", ["a", "a/c"], ["a/b", "b"]),
    ("!a\n*", ["a", "b"], []),
    ("*\n!a\na/b", ["a/b", "c"], ["a", "a/c"]),
    ("*\n!a\na/b\n!a/b/c", ["a/b", "a/b/d"], ["a", "a/b/c"]),
    ("*.md\n!README.md", ["a.md"], ["README.md", "b/a.md"]),
    ("**/*.md\n!**/README.md", ["a.md", "b/a.md"], ["README.md", "b/README.md"]),
    ("*\n!**/*.py", ["a", "a/b.c"], ["b.py", "a/b.py"]),
    ("*\n!a/*", ["a", "b"], ["a/b", "a/b/c"]),
    ("**\n!a/**", ["a", "b"], ["a/b", "a/b/c"]),
    ("!!a", [], ["a", "!a"]),
    ("a.b", ["a.b"], ["axb"]),
    ("*a.b", ["a.b"], ["axb"]),
    ("*a+(b)", ["a+(b)"], ["aab"]),
    ("*.{js,ts}", ["a.{js,ts}"], ["a.js", "a.ts"]),
    ("a|b", ["a|b"], ["a", "b"]),
    ("^a", ["^a"], ["a"]),
    ("*é?", ["éa", "xéü"], ["é"]),
    ("", [], ["a"]),
]


@pytest.mark.parametrize(("text", "out", "kept"), ROWS, ids=[repr(row[0]) for row in ROWS])
def test_what_is_left_out(text: str, out: list[str], kept: list[str]) -> None:
    ignore = Ignore(patterns(text.encode()))
    assert [path for path in out if not ignore.leaves_out(path)] == [], "these are not left out"
    assert [path for path in kept if ignore.leaves_out(path)] == [], "these are left out"


@pytest.mark.parametrize(
    "line",
    ["[", "[]", "[a", "[a-", "[a-]", "[-a]", "[^]", "a\\", "\\d*", "[\\w]", "[[:alpha:]]", "[z-a]", "*a|b", "*a{2}"],
)
def test_a_pattern_that_go_refuses_or_reads_otherwise_is_unclear(line: str) -> None:
    with pytest.raises(Unclear) as caught:
        Ignore(patterns(line.encode()))
    assert str(caught.value) == f"the pattern {line!r} of the ignore file is none that is understood here"


@pytest.mark.parametrize("line", ["!", "! ", "!/"])
def test_taking_back_nothing_is_unclear(line: str) -> None:
    with pytest.raises(Unclear, match='the ignore file has a line "!" without a pattern'):
        Ignore(patterns(line.encode()))


def test_text_that_is_no_text_is_unclear() -> None:
    with pytest.raises(Unclear, match="line 2 of the ignore file is not UTF-8"):
        patterns(b"a\n\xff\n")
    with pytest.raises(Unclear, match="line 1 of the ignore file is too long"):
        patterns(b"a" * 70_000)


@given(st.text(alphabet="ab/*?![]^\\-.#{}| \n", max_size=30))
def test_any_text_is_patterns_or_unclear(text: str) -> None:
    try:
        ignore = Ignore(patterns(text.encode()))
    except Unclear:
        return
    ignore.leaves_out("a/b")


def tree(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).write_text("")


def received(root: Path, text: str = "") -> set[str]:
    return {path for path, _ in walk(root, Ignore(patterns(text.encode())))}


def test_folders_come_along_empty_ones_too(tmp_path: Path) -> None:
    tree(tmp_path, "a/b/c", "d/", ".git/x")
    assert received(tmp_path) == {"a", "a/b", "a/b/c", "d", ".git", ".git/x"}


def test_a_folder_that_is_left_out_comes_along_for_what_is_taken_back_in_it(tmp_path: Path) -> None:
    tree(tmp_path, "a/b/c", "a/b/d", "a/e", "f/g", "a/h/i")
    assert received(tmp_path, "*\n!a/b/c") == {"a", "a/b", "a/b/c"}
    assert received(tmp_path, "**\n!**/c\n!**/e") == {"a", "a/b", "a/b/c", "a/e"}


def test_a_folder_comes_once_however_much_of_it_is_taken_back(tmp_path: Path) -> None:
    tree(tmp_path, *(f"a/b{number}/c" for number in range(5)), "a/b0/d")
    paths = [path for path, _ in walk(tmp_path, Ignore(("*", "!a/*/c", "!a/*/d")))]
    assert len(paths) == len(set(paths)) == 12


def test_links_are_not_followed(tmp_path: Path) -> None:
    tree(tmp_path, "a/b")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "nowhere").symlink_to("c")
    assert received(tmp_path, "a/b") == {"a", "link", "nowhere"}


def test_a_context_that_is_not_there_is_unclear(tmp_path: Path) -> None:
    with pytest.raises(Unclear, match=r"the folder '\.' cannot be read: No such file or directory"):
        received(tmp_path / "none")


def test_the_ignore_file_of_the_dockerfile_comes_first(tmp_path: Path) -> None:
    context, recipe = tmp_path / "api", tmp_path / "docker" / "api.Dockerfile"
    tree(tmp_path, "api/", "docker/api.Dockerfile")
    assert place(context, recipe) is None
    common, own = context / ".dockerignore", tmp_path / "docker" / "api.Dockerfile.dockerignore"
    common.write_text("a")
    assert place(context, recipe) == common
    own.write_text("")
    with pytest.raises(Unclear, match=r"api\.Dockerfile\.dockerignore is empty, and not every builder takes it"):
        place(context, recipe)
    common.unlink()
    assert place(context, recipe) == own
    common.write_text("a")
    own.write_text("b")
    assert place(context, recipe) == own
    assert read(context, recipe).leaves_out("b")
    assert not read(context, recipe).leaves_out("a")


def test_an_ignore_file_that_is_a_link(tmp_path: Path) -> None:
    context = tmp_path / "api"
    tree(tmp_path, "api/", "outside")
    (context / "inside").write_text("a")
    link = context / ".dockerignore"
    link.symlink_to("inside")
    assert read(context, context / "Dockerfile").leaves_out("a")
    link.unlink()
    link.symlink_to("../outside")
    with pytest.raises(Unclear, match=r"\.dockerignore is a link that leads out of its folder"):
        read(context, context / "Dockerfile")
    link.unlink()
    link.symlink_to(context / "inside")
    with pytest.raises(Unclear, match=r"\.dockerignore is a link that leads out of its folder"):
        read(context, context / "Dockerfile")
