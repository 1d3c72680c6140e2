from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build.dockerfile import Heredoc, Instruction, parse
from shiptasks.build.dockerwords import expand, words
from shiptasks.build.unclear import Unclear


def instructions(text: str) -> tuple[Instruction, ...]:
    return parse("FROM a\n" + text).stages[0].instructions


def test_instructions_have_their_lines_flags_and_rest() -> None:
    found = instructions('# comment\n\n  run true\r\nCOPY --from=b --chown="x y" --link a b\n')
    assert found == (
        Instruction("RUN", (), "true", 4, 4),
        Instruction("COPY", ("--from=b", "--chown=x y", "--link"), "a b", 5, 5),
    )
    assert (found[1].flag("from"), found[1].flag("link"), found[1].flag("chmod")) == ("b", "", None)


def test_continued_lines_are_one_with_comments_and_empty_lines_between_them_gone() -> None:
    (found,) = instructions("RUN a \\\n  # comment\n\n  b \\  \n c\n")
    assert (found.rest, found.line, found.end) == ("a   b  c", 2, 6)


def test_two_escapes_at_the_end_continue_nothing() -> None:
    assert [one.rest for one in instructions("RUN a\\\\\nRUN b\n")] == ["a\\\\", "b"]


def test_the_last_line_may_want_to_go_on() -> None:
    assert [one.rest.strip() for one in instructions("RUN a \\")] == ["a"]


def test_the_escape_directive() -> None:
    recipe = parse("# escape=`\nFROM a\nRUN c:\\\nRUN a `\n b\n")
    assert [one.rest for one in recipe.stages[0].instructions] == ["c:\\", "a  b"]
    assert recipe.escape == "`"


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("# syntax=docker/dockerfile:1\nFROM a", "docker/dockerfile:1"),
        ("#syntax = docker/dockerfile:1 \nFROM a", "docker/dockerfile:1"),
        ("\ufeff# check=skip=all\n# SYNTAX=x\nFROM a", "x"),
        ("#!/usr/bin/env docker\n# syntax=x\nFROM a", "x"),
        ("# a comment\n# syntax=x\nFROM a", ""),
        ("FROM a\n# syntax=x", ""),
        ("\n# syntax=x\nFROM a", ""),
    ],
)
def test_the_syntax_directive_comes_first_or_is_a_comment(text: str, syntax: str) -> None:
    assert parse(text).syntax == syntax


def test_heredocs_belong_to_their_instruction() -> None:
    found = instructions(
        "RUN <<EOF cat <<-\"B\" >x\n# one\nEOF\n\ttwo $x\n\tB\nCOPY <<'C' 1<<D /x\nc\nC\nd\nD\nRUN end\n"
    )
    assert [one.keyword for one in found] == ["RUN", "COPY", "RUN"]
    assert found[0].heredocs == (Heredoc("EOF", "# one\n", True), Heredoc("B", "two $x\n", False))
    assert (found[0].line, found[0].end) == (2, 6)
    assert found[1].heredocs == (Heredoc("C", "c\n", False), Heredoc("D", "d\n", True))


@pytest.mark.parametrize(
    "line", ['RUN ["a", "<<EOF"]', "ENV A=<<EOF", "RUN a<<<EOF", "RUN 'a <<EOF'", "RUN $((1<<2))x"]
)
def test_what_only_looks_like_a_heredoc(line: str) -> None:
    assert [one.keyword for one in instructions(f"{line}\nRUN b\n")] == [line.split()[0], "RUN"]


def test_a_heredoc_without_an_end_is_unclear() -> None:
    with pytest.raises(Unclear, match="the text that begins in line 2 of the Dockerfile has no end: EOF"):
        instructions("RUN <<EOF\nEOF \n")


STAGES = """\
# syntax=docker/dockerfile:1.7
ARG TAG=3.13
ARG BASE="python:${TAG}-slim"
FROM --platform=$BUILDPLATFORM golang:1 AS Build
FROM node:20 AS unused
RUN true
FROM ${BASE} AS final
COPY --from=build /a /b
COPY --from=nginx:1 /a /b
RUN --mount=type=bind,from=alpine:3,target=/x --mount=type=cache,target=/c true
ONBUILD COPY --from=busybox:1 /a /b
FROM final
COPY --from=0 /a /b
FROM scratch AS empty
"""


def test_images_are_those_of_the_stages_that_are_needed() -> None:
    recipe = parse(STAGES)
    frontend = "docker/dockerfile:1.7"
    common = {frontend, "golang:1", "nginx:1", "alpine:3", "busybox:1"}
    assert recipe.images("empty", {}) == (frontend,)
    assert recipe.images(None, {}) == (frontend,)
    assert set(recipe.images("final", {})) == common | {"python:3.13-slim"}
    assert set(recipe.images("FINAL", {"TAG": "3.9"})) == common | {"python:3.9-slim"}
    assert set(recipe.images("3", {"BASE": "debian"})) == common | {"debian"}
    assert recipe.images("build", {}) == (frontend, "golang:1")
    assert [(stage.name, stage.base, stage.platform, stage.line) for stage in recipe.stages[:2]] == [
        ("build", "golang:1", "$BUILDPLATFORM", 4),
        ("unused", "node:20", "", 5),
    ]


def test_a_stage_may_be_named_again_and_counts_only_below_its_line() -> None:
    recipe = parse("FROM a AS x\nFROM x AS x\nFROM x\nFROM b\nCOPY --from=later / /\nFROM c AS later\n")
    assert recipe.images("2", {}) == ("a",)
    assert recipe.images("3", {}) == ("b", "later")


def test_an_argument_that_is_not_declared_before_from_is_empty_there() -> None:
    assert parse("FROM a${TAG}\nARG TAG=1\n").images(None, {"TAG": "2"}) == ("a",)


@pytest.mark.parametrize(
    ("text", "target", "what"),
    [
        ("RUN true\n", None, "the Dockerfile has no FROM"),
        ("FROM a\n", "b", "the Dockerfile has no stage b"),
        ("FROM a\n", "1", "the Dockerfile has no stage 1"),
        ("FROM $A\n", None, "which image '' of the Dockerfile is cannot be told"),
        ("FROM a\nCOPY --from=$B x y\n", None, "which image '$B' of the Dockerfile is cannot be told"),
        ("FROM a:${TARGETARCH}\n", None, "only the builder knows the $TARGETARCH that the Dockerfile begins from"),
        ("ARG A=1\nFROM a:${A%1}\n", None, "the variable ${A%1} of the Dockerfile is none that is understood here"),
        ("FROM a:${A\n", None, "the variable ${A of the Dockerfile has no end"),
    ],
)
def test_what_cannot_be_told_is_unclear(text: str, target: str | None, what: str) -> None:
    with pytest.raises(Unclear) as caught:
        parse(text).images(target, {})
    assert str(caught.value) == what


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ADD https://example.com/x /x", "https://example.com/x"),
        ('ADD ["a", "https://example.com/x", "/x"]', "https://example.com/x"),
        ("ADD a git@github.com:a/b.git /x", "git@github.com:a/b.git"),
        ("ADD https://github.com/a/b.git#main /x", "https://github.com/a/b.git#main"),
        ("ADD $URL /x", "$URL"),
        ("ADD --checksum=sha256:00 https://example.com/x /x", ""),
        (f"ADD https://github.com/a/b.git#{'0' * 40}:sub /x", ""),
        (f"ADD https://example.com/x#{'0' * 40} /x", f"https://example.com/x#{'0' * 40}"),
        ("ADD a.tar.gz /x", ""),
        ("COPY https://example.com/x /x", ""),
    ],
)
def test_addresses_that_add_asks_again(text: str, address: str) -> None:
    assert parse(f"FROM a\n{text}\n").fetches(None) == address


def test_names_take_quotes_and_arguments_as_they_are_meant() -> None:
    recipe = parse("ARG A=1\nARG B='x$A' C=\"x$A\" BUILD_TAG\nFROM a:${C}${UNKNOWN}\n")
    assert recipe.values({"UNKNOWN": "u", "BUILDER": "b"}) == {"A": "1", "B": "x$A", "C": "x1"}
    assert recipe.images(None, {"UNKNOWN": "u"}) == ("a:x1",)
    assert recipe.images(None, {"BUILDKIT_SYNTAX": "docker/dockerfile:2"}) == ("a:x1", "docker/dockerfile:2")


def test_what_onbuild_puts_off_counts() -> None:
    recipe = parse("FROM a\nONBUILD ADD https://example.com/x /x\nONBUILD RUN --mount=from=b true\n")
    assert recipe.fetches(None) == "https://example.com/x"
    assert recipe.images(None, {}) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "declares"),
    [
        ("FROM a\nARG VERSION\n", True),
        ("ARG VERSION=1\nFROM a\n", True),
        ('FROM a\narg OTHER VERSION="1"\n', True),
        ("FROM a\nONBUILD ARG VERSION\n", True),
        ("FROM a\nARG VERSIONS\nENV VERSION=1\nONBUILD RUN ARG VERSION\n", False),
    ],
)
def test_which_arguments_are_taken(text: str, declares: bool) -> None:
    assert parse(text).declares("VERSION") is declares


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A", "1"),
        ("x${A}y", "x1y"),
        ("$Ay", ""),
        ("${B:-2}", "2"),
        ("${B-2}", "2"),
        ("${E:-2}", "2"),
        ("${E-2}", ""),
        ("${A:+2}", "2"),
        ("${E:+2}", ""),
        ("${E+2}", "2"),
        ("${B:-x${A}}", "x1"),
        ("'$A'", "$A"),
        ('"$A b"', "1 b"),
        ("\\$A", "$A"),
        ("$", "$"),
        ("a$.", "a$."),
    ],
)
def test_variables(text: str, result: str) -> None:
    assert expand(text, {"A": "1", "E": ""}, "\\") == result


def test_words_lose_their_quotes() -> None:
    assert words("a \"b c\"='d' \\ e", "\\") == ("a", "b c=d", " e")


@given(st.text(alphabet="FROMRUNARG ab$={}<<EOF\\'\"#\n\t-", max_size=80))
def test_any_text_is_a_dockerfile_or_unclear(text: str) -> None:
    try:
        recipe = parse(text)
        recipe.images(None, {})
        recipe.fetches(None)
    except Unclear:
        return
    assert recipe.stages
