"""The words of a line in a Dockerfile: flags, quotes, variables, and what announces a heredoc."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from shiptasks.build.unclear import Unclear

_HEREDOC = re.compile(r"(\d*)<<(-?)([^<]+)")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])(.*))?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OF_BUILDER = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)|TARGETSTAGE")
"""Names of the variables that the builder sets by itself."""


def raw_words(line: str, escape: str) -> tuple[str, ...]:
    """The words of a line with their quotes and escapes as they are."""
    found, word, quote, at = list[str](), "", "", 0
    while at < len(line):
        letter, at = line[at], at + 1
        if letter == escape and quote != "'" and at < len(line):
            word, at = word + letter + line[at], at + 1
        elif quote or letter in "\"'":
            word += letter
            quote = "" if letter == quote else quote or letter
        elif letter.isspace():
            found += [word] if word else []
            word = ""
        else:
            word += letter
    return (*found, word) if word else tuple(found)


def words(line: str, escape: str) -> tuple[str, ...]:
    """The words of a line without their quotes; variables stay as they are."""
    return tuple(unquoted(word, escape) for word in raw_words(line, escape))


def unquoted(word: str, escape: str) -> str:
    """A word without its quotes and escapes."""
    return "".join(letter for letter, _ in _letters(word, escape))


def flags_of(rest: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The flags that an instruction begins with, and what follows them."""
    flags = list[str]()
    while rest.startswith("--"):
        word = raw_words(rest, escape)[0]
        rest = rest[len(word) :].lstrip()
        if word == "--":
            break
        flags.append(unquoted(word, escape))
    return tuple(flags), rest


def heredocs_of(rest: str, escape: str) -> Iterator[tuple[str, bool, bool]]:
    """The texts that follow a line: what ends each of them, whether tabs before lines go, whether it expands."""
    if rest.lstrip().startswith("["):
        return
    for word in raw_words(rest, escape):
        match = _HEREDOC.fullmatch(word)
        if match and (name := unquoted(match[3], escape)):
            yield name, bool(match[2]), not re.search(r"[\"']", match[3])


def expand(text: str, values: Mapping[str, str], escape: str) -> str:
    """`text` with its variables filled in and its quotes gone, as FROM and ARG have it.

    What is not set is empty. Raises Unclear for a form of a variable that is not known here, and for one that the
    builder sets and that is not in `values`.
    """
    result, letters = "", list(_letters(text, escape))
    at = 0
    while at < len(letters):
        letter, is_plain = letters[at]
        at += 1
        if letter != "$" or not is_plain:
            result += letter
            continue
        following = "".join(one for one, _ in letters[at:])
        if following.startswith("{"):
            inner = _braced(following)
            result += _filled(inner, values, escape)
            at += len(inner) + 2
        elif match := _NAME.match(following):
            result += _value(match[0], values)
            at += len(match[0])
        else:
            result += letter
    return result


def _filled(inner: str, values: Mapping[str, str], escape: str) -> str:
    match = _VARIABLE.fullmatch(inner)
    if match is None:
        raise Unclear(f"the variable ${{{inner}}} of the Dockerfile is none that is understood here")
    name, operator, other = match[1], match[2] or "", match[3] or ""
    value = _value(name, values)
    is_set = name in values and (not operator.startswith(":") or value != "")
    if operator.endswith("+"):
        return expand(other, values, escape) if is_set else ""
    if operator.endswith("-") and not is_set:
        return expand(other, values, escape)
    return value


def _value(name: str, values: Mapping[str, str]) -> str:
    if name not in values and OF_BUILDER.fullmatch(name):
        raise Unclear(f"only the builder knows the ${name} that the Dockerfile begins from")
    return values.get(name, "")


def _braced(text: str) -> str:
    """What is between the brace that `text` begins with and the one that ends it."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return text[1:at]
    raise Unclear(f"the variable ${text} of the Dockerfile has no end")


def _letters(word: str, escape: str) -> Iterator[tuple[str, bool]]:
    """The letters of a word without quotes, and whether a `$` there is one of a variable."""
    quote, at = "", 0
    while at < len(word):
        letter, at = word[at], at + 1
        if quote == "'":
            if letter == "'":
                quote = ""
            else:
                yield letter, False
        elif letter == escape and at < len(word) and (not quote or word[at] in f'"${escape}'):
            yield word[at], False
            at += 1
        elif letter == quote:
            quote = ""
        elif not quote and letter in "\"'":
            quote = letter
        else:
            yield letter, True
