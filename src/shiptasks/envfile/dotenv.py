"""Environment files in the grammar of Compose, with the line of each variable; and values written in that grammar.

Compose reads them so (compose-go, package dotenv): `NAME=value`, `NAME: value`, `export NAME=value`; a comment begins
with `#` at the beginning of a line, or after a space behind an unquoted value. Single quotes keep everything but `\\'`;
double quotes know escapes and `$NAME`; both may go over several lines. A name alone takes the process environment's
value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_SPACE = " \t\v\f\r\x85\xa0"
_EXPORT = re.compile(r"export[ \t\v\f\r]+")
_NAME = re.compile(r"[^\W]|[.\-\[\]]")
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_INTERPOLATION = re.compile(
    rf"\$\$|\$(?P<plain>{_VARIABLE})|\$\{{(?P<name>{_VARIABLE})(?:(?P<how>:?[-?+])(?P<word>[^{{}}]*))?\}}"
)
_ESCAPE = re.compile(r"\\(?:[abfnrtv\"\\$]|0[0-7]{3})")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Variable:
    """One variable. Its value is not part of its representation. `value` is None for a name alone."""

    name: str
    value: str | None = field(repr=False)
    line: int
    comments: tuple[str, ...] = ()
    """The comment lines right above it, without `#`."""
    last: int = 0
    """The last line of its value; `line` is the first."""


@dataclass(frozen=True)
class Wrong:
    """A line that Compose would refuse or misread; `what` never has a value in it."""

    line: int
    what: str


@dataclass(frozen=True)
class EnvFile:
    """A file as read: every variable in the order of the file, repeated ones too; and what is wrong."""

    variables: tuple[Variable, ...]
    wrong: tuple[Wrong, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        """What each variable is set to; the last one wins, names alone are left out."""
        return {each.name: each.value for each in self.variables if each.value is not None}

    def repeated(self) -> Iterator[tuple[Variable, Variable]]:
        """Each variable that is set again, with the first one of that name."""
        first: dict[str, Variable] = {}
        for each in self.variables:
            if first.setdefault(each.name, each) is not each:
                yield each, first[each.name]


def parse(content: bytes, environ: Mapping[str, str] | None = None) -> EnvFile:
    """The variables of an environment file. `environ` is what `$NAME` means where the file has not set it.

    Never raises: what is wrong is in the answer, with its line.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        return EnvFile((), (Wrong(content.count(b"\n", 0, error.start) + 1, "it is not UTF-8 text"),))
    return _Parser(text, environ or {}).parse()


class _Parser:
    def __init__(self, text: str, environ: Mapping[str, str]) -> None:
        self._text, self._environ, self._at = text, environ, 0
        self._line = 1
        self._variables: list[Variable] = []
        self._wrong: list[Wrong] = []
        self._known: dict[str, str] = {}

    def parse(self) -> EnvFile:
        comments: list[str] = []
        while self._at < len(self._text):
            line = self._rest_of_line()
            stripped = line.strip(_SPACE)
            if not stripped:
                comments.clear()
            elif stripped.startswith("#"):
                comments.append(stripped[1:].strip())
            else:
                self._statement(line, tuple(comments))
                comments.clear()
                continue
            self._next_line()
        return EnvFile(tuple(self._variables), tuple(self._wrong))

    def _rest_of_line(self) -> str:
        end = self._text.find("\n", self._at)
        return self._text[self._at : len(self._text) if end < 0 else end]

    def _next_line(self) -> None:
        self._at += len(self._rest_of_line()) + 1
        self._line += 1

    def _statement(self, line: str, comments: tuple[str, ...]) -> None:
        """One variable, from the beginning of its line to the end of its last one."""
        start = len(line) - len(line.lstrip(_SPACE))
        match = _EXPORT.match(line, start)
        start = match.end() if match else start
        end = next((index for index in range(start, len(line)) if line[index] in "=:"), len(line))
        name = line[start:end].rstrip()
        problem = _wrong_name(name)
        if problem or end == len(line):
            if problem:
                self._wrong.append(Wrong(self._line, problem))
            else:
                self._variables.append(Variable(name, None, self._line, comments, self._line))
            self._next_line()
            return
        at = self._line
        self._at += end + 1
        raw = self._rest_of_line().lstrip(_SPACE)
        value = self._quoted(raw[0]) if raw[:1] in ("'", '"') else self._plain(raw)
        if value is not None:
            self._known[name] = value
            self._variables.append(Variable(name, value, at, comments, self._line - 1))

    def _plain(self, raw: str) -> str | None:
        at = self._line
        self._next_line()
        return self._expanded(raw.partition(" #")[0].rstrip(), at)

    def _quoted(self, quote: str) -> str | None:
        at = self._line
        self._at = self._text.index(quote, self._at) + 1
        found: list[str] = []
        escaped = False
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            self._line += char == "\n"
            if char == quote and not escaped:
                after = self._rest_of_line().strip(_SPACE)
                if after and not after.startswith("#"):
                    self._wrong.append(Wrong(self._line, "there is text behind the closing quote"))
                self._next_line()
                value = "".join(found)
                return value if quote == "'" else self._expanded(_unescaped(value), at)
            if char == quote:
                found.append(char)
                escaped = False
            elif char == "\\" and not escaped:
                escaped = True
            else:
                found.append(f"\\{char}" if escaped else char)
                escaped = False
        self._wrong.append(Wrong(at, "the quote that begins here is not closed"))
        return None

    def _expanded(self, value: str, at: int) -> str | None:
        problems: list[str] = []

        def one(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            name, how, word = match["plain"] or match["name"], match["how"] or "", match["word"] or ""
            known = self._known.get(name, self._environ.get(name))
            there = bool(known) if how.startswith(":") else known is not None
            if how.endswith("+"):
                return word if there else ""
            if how.endswith("?") and not there:
                problems.append(f"it needs the variable {name}, which is not set")
            return (known or "") if there or not how.endswith("-") else word

        expanded = _INTERPOLATION.sub(one, value)
        self._wrong += [Wrong(at, problem) for problem in problems]
        return None if problems else expanded


def _wrong_name(name: str) -> str:
    if not name:
        return "there is no name before the equals sign"
    if any(char.isspace() for char in name):
        return "a space is in the name: NAME=value is expected"
    odd = next((char for char in name if not _NAME.match(char)), "")
    return f"the character {odd!r} cannot be in a name: NAME=value is expected" if odd else ""


def _unescaped(value: str) -> str:
    def one(match: re.Match[str]) -> str:
        escape = match[0][1:]
        if escape == "$":
            return "$$"
        return chr(int(escape[1:], 8)) if escape[0] == "0" else _ESCAPES[escape]

    return _ESCAPE.sub(one, value)


def assignment(name: str, value: str) -> str:
    """A line, or several, that Compose reads as this value. Raises ValueError for a value with a NUL."""
    if "\0" in value:
        raise ValueError("a NUL cannot be in an environment file")
    if not any(char in value for char in "'\\\r"):
        return f"{name}='{value}'"
    for char, escape in (("\\", "\\\\"), ('"', '\\"'), ("$", "\\$"), ("\r", "\\r"), ("\n", "\\n")):
        value = value.replace(char, escape)
    return f'{name}="{value}"'
