"""What of a build context BuildKit receives: `.dockerignore` by the rules of moby/patternmatcher and fsutil.

They are not those of `.gitignore`: patterns begin at the context's root, `**` need not be a whole part of a path, `!`
takes back also what is in a folder that is left out, and later lines win. Where a pattern means something that only
Go's regular expressions know, `Unclear` is raised instead of a guess.
"""

from __future__ import annotations

import os
import posixpath
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shiptasks.build.unclear import Unclear

_NAME = ".dockerignore"
_LONGEST = 64 * 1024  # bytes of a line that BuildKit's scanner takes
_SPACE = " \t\n\v\f\r\x85\xa0"
_ESCAPED = frozenset(".+()|{}$")
_OPERATORS = re.compile(r"\||\{\d+,?\d*\}")

Matches = tuple[bool, ...]
"""Which of the patterns matched a folder, one by one: what is in it is judged by them too."""


@dataclass(frozen=True)
class _Pattern:
    """One line. `takes_back` is that of `!`; `kind` how paths are compared with `text` or `regex`."""

    text: str
    takes_back: bool
    kind: str
    regex: re.Pattern[str] | None = None

    def matches(self, path: str) -> bool:
        if self.kind == "exact":
            return path == self.text
        if self.kind == "prefix":
            return path.startswith(self.text[:-2])
        if self.kind == "suffix":
            suffix = self.text[2:]
            return path.endswith(suffix) or (suffix.startswith("/") and path == suffix[1:])
        return self.regex is not None and self.regex.match(path) is not None


class Ignore:
    """The patterns of an ignore file, in order. Raises Unclear for one that BuildKit refuses, or reads its own way.

    >>> Ignore(["*", "!src"]).leaves_out("README.md")
    True
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [_compiled(text) for text in patterns]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left out."""
        return not self._patterns

    def leaves_out(self, path: str) -> bool:
        """Whether the context goes without a file or folder: judged with the folders that it is in."""
        out, above = False, None
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            out, above = self.judge("/".join(parts[:end]), above)
        return out

    def judge(self, path: str, above: Matches | None) -> tuple[bool, Matches]:
        """Whether `path` is left out, and what to judge its content by. `above` is its folder's; None at the top."""
        out, matches = False, []
        for index, pattern in enumerate(self._patterns):
            match = above is not None and above[index]
            # A pattern that could change nothing is not asked, and then counts as not matched further down too.
            if not match and pattern.takes_back == out:
                match = pattern.matches(path)
            matches.append(match)
            if match:
                out = not pattern.takes_back
        return out, tuple(matches)

    @property
    def takes_back(self) -> bool:
        """Whether something in a folder that is left out may be in the context all the same."""
        return any(pattern.takes_back for pattern in self._patterns)


def patterns(content: bytes) -> tuple[str, ...]:
    """The patterns of an ignore file, cleaned as BuildKit cleans them. Raises Unclear when they cannot be read."""
    found = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if len(raw) >= _LONGEST:
            raise Unclear(f"line {number} of the ignore file is too long")
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Unclear(f"line {number} of the ignore file is not UTF-8") from None
        if line.startswith("#"):
            continue
        text = _trimmed(line)
        if not text:
            continue
        mark = "!" if text.startswith("!") else ""
        text = _trimmed(text.removeprefix("!")) if mark else text
        if text:
            text = _clean(text)
            if len(text) > 1 and text.startswith("/"):
                text = text[1:]
        found.append(mark + text)
    return tuple(found)


def place(context: Path, dockerfile: Path) -> Path | None:
    """The ignore file that counts: the Dockerfile's own, `<Dockerfile>.dockerignore`, else that of the context.

    Raises Unclear when the first is empty and there is the second: whether it then counts depends on the frontend.
    """
    own, common = dockerfile.with_name(f"{dockerfile.name}{_NAME}"), context / _NAME
    if own.is_file() and (own.stat().st_size or not common.is_file()):
        return own
    if own.is_file():
        raise Unclear(f"{own.name} is empty, and not every builder takes it for one then")
    return common if common.is_file() else None


def read(context: Path, dockerfile: Path) -> Ignore:
    """What is left out of a service's context. Raises Unclear when the file cannot be read or understood."""
    try:
        file = place(context, dockerfile)
        if file is None:
            return Ignore(())
        inside = file.resolve().is_relative_to(file.parent.resolve())
        is_absolute = file.is_symlink() and os.readlink(file).startswith("/")  # noqa: PTH115
        content = file.read_bytes()
    except OSError as error:
        raise Unclear(f"the ignore file cannot be read: {error.strerror}") from None
    if is_absolute or not inside:  # BuildKit follows links within the folder only, which it takes for the root
        raise Unclear(f"{file.name} is a link that leads out of its folder")
    return Ignore(patterns(content))


def walk(context: Path, ignore: Ignore) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything that BuildKit receives, files and folders, with its path in the context; in no order.

    Links are not followed. A folder that is left out comes along when something in it is taken back. Raises Unclear
    when a folder cannot be read.
    """
    yield from _walk(f"{context}/", "", None, ignore, ())


def _walk(
    root: str, folder: str, above: Matches | None, ignore: Ignore, pending: tuple[tuple[str, os.DirEntry[str]], ...]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """`pending` are the folders above that were left out, outermost first: they come once something below them does."""
    try:
        with os.scandir(root + folder) as scan:
            entries = list(scan)
    except OSError as error:
        raise Unclear(f"the folder {folder.rstrip('/') or '.'!r} cannot be read: {error.strerror}") from None
    for entry in entries:
        path = folder + entry.name
        out, matches = (False, None) if ignore.is_empty else ignore.judge(path, above)
        is_folder = entry.is_dir(follow_symlinks=False)
        if not out:
            yield from pending
            pending = ()
            yield path, entry
            if is_folder:
                yield from _walk(root, f"{path}/", matches, ignore, ())
        elif is_folder and ignore.takes_back:
            try:
                inside = _walk(root, f"{path}/", matches, ignore, (*pending, (path, entry)))
                first = next(inside, None)
            except Unclear:
                if os.access(root + path, os.R_OK | os.X_OK):
                    raise
                continue  # left out, and what may be in it is out of everybody's reach
            if first is not None:
                pending = ()
                yield first
                yield from inside


def _trimmed(text: str) -> str:
    """`text` as Go's TrimSpace leaves it."""
    return text.strip(_SPACE + "\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))


def _clean(path: str) -> str:
    """`path` as Go's filepath.Clean leaves it."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _compiled(text: str) -> _Pattern:
    text = _clean(_trimmed(text))
    takes_back = text.startswith("!")
    if takes_back:
        text = text[1:]
        if not text:
            raise Unclear('the ignore file has a line "!" without a pattern')
    _check(text)
    kind, regex = _translated(text)
    if kind != "regex":
        return _Pattern(text, takes_back, kind)
    if _OPERATORS.search(text):  # literal in some versions of BuildKit, and operators in others
        raise _unclear(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of sets in sets, which Python does not have yet
            return _Pattern(text, takes_back, kind, re.compile(regex))
    except re.error:
        raise _unclear(text) from None


def _translated(text: str) -> tuple[str, str]:
    """How paths are compared with a pattern, and the regular expression that Go would make of it.

    Sets are not known here, just as in Go: `[*]` becomes something else than it looks.
    """
    kind, regex, at, first = "exact", "", 0, True
    while at < len(text):
        letter, at = text[at], at + 1
        if letter == "*" and text.startswith("*", at):
            at += 1
            if text.startswith("/", at):
                at += 1
            if at < len(text):
                regex, kind = regex + "(.*/)?", "regex"
            elif kind == "exact":
                kind = "prefix"
            else:
                regex, kind = regex + ".*", "regex"
            if first:
                kind = "suffix"
        elif letter == "*":
            regex, kind = regex + "[^/]*", "regex"
        elif letter == "?":
            regex, kind = regex + "[^/]", "regex"
        elif letter in _ESCAPED:
            regex += "\\" + letter
        elif letter == "\\":
            regex, kind, at = regex + "\\" + text[at], "regex", at + 1
        else:
            regex += letter
            if letter in "[]":
                kind = "regex"
        first = False
    return kind, f"{regex}\\Z"


def _check(text: str) -> None:
    """Raises Unclear for what Go's filepath.Match refuses, and for what Go's regular expressions read otherwise."""
    if "[:" in text or "\0" in text or "\ufffd" in text or text.startswith("\ufeff"):
        raise _unclear(text)
    at = 0
    while at < len(text):
        letter, at = text[at], at + 1
        if letter == "\\":
            at = _after_escape(text, at)
        elif letter == "[":
            at = _after_set(text, at)


def _after_set(text: str, at: int) -> int:
    if text.startswith("^", at):
        at += 1
    count = 0
    while not (count and text.startswith("]", at)):
        at = _after_character(text, at)
        if text.startswith("-", at):
            at = _after_character(text, at + 1)
        if at >= len(text):
            raise _unclear(text)
        count += 1
    return at + 1


def _after_character(text: str, at: int) -> int:
    if at >= len(text) or text[at] in "-]":
        raise _unclear(text)
    return _after_escape(text, at + 1) if text[at] == "\\" else at + 1


def _after_escape(text: str, at: int) -> int:
    # Of a letter or digit Go would make a class, or refuse it.
    if at >= len(text) or text[at].isalnum() or not text[at].isascii():
        raise _unclear(text)
    return at + 1


def _unclear(text: str) -> Unclear:
    return Unclear(f"the pattern {text!r} of the ignore file is none that is understood here")
