"""Patterns of files, as `inputs` of a stage has them: which paths they take, and which folders need a look.

    src                 a file, or a folder with everything under it (as long as the last part has no wildcard)
    *  ?  [a-z]  [!a]   within one name: any characters, one, one of a set, one that is not of it; never `/`
    **                  as a whole part: any number of folders, also none; at the end: everything under it
    !src/gen            leaves out, wherever it stands in the list

Paths are divided by `/` and relative to the root, or to a folder under it. Case counts; names that begin with a dot are
names like others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shiptasks.errors import UsageError

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class _Pattern:
    text: str
    files: str
    """Regular expression of the paths that it takes."""
    folders: str
    """Regular expression of the folders, each with `/` at its end, under which there may be such paths."""


class Globs:
    """A list of patterns.

    `folder` is what they are relative to, itself relative to the root: `../shared` is then another folder of the root.
    `where` is the place of the list in the configuration, for messages.

    Raises UsageError for a pattern that cannot be one, and for a list that takes nothing.
    """

    def __init__(self, patterns: Sequence[str], *, folder: str = "", where: str = "") -> None:
        self._where = where
        self._above = [_WILD.sub(r"[\g<0>]", part) for part in folder.split("/") if part not in ("", ".")]
        taken = [self._parsed(text) for text in patterns if not text.startswith("!")]
        left_out = [self._parsed(text[1:]) for text in patterns if text.startswith("!")]
        if not taken:
            raise UsageError(
                "no pattern says which files are inputs, only which are not" if left_out else "there are no inputs",
                where=where,
                now="nothing was run",
                hint='name files or folders, such as inputs = ["src", "tests/**/*.py", "!src/gen"]',
            )
        self._each = {pattern.text: re.compile(pattern.files, re.DOTALL) for pattern in taken}
        self._files = _any(pattern.files for pattern in taken)
        self._folders = _any(pattern.folders for pattern in taken)
        self._left_out = _any(pattern.files for pattern in left_out)

    def takes(self, path: str) -> bool:
        """Whether the patterns take a file of this path."""
        return self._files.fullmatch(path) is not None and self._left_out.fullmatch(path) is None

    def enters(self, folder: str) -> bool:
        """Whether there may be files to take somewhere under a folder; it ends in `/`, the root is empty."""
        # What leaves out a path that ends in `/` leaves out everything that begins with it: only `gen` and `gen/**` do.
        return self._folders.fullmatch(folder) is not None and self._left_out.fullmatch(folder) is None

    def require(self, paths: Iterable[str]) -> None:
        """Raises UsageError when a pattern takes none of these paths: a typo must not look like "unchanged"."""
        missing = dict(self._each)
        for path in paths:
            for text in [text for text, pattern in missing.items() if pattern.fullmatch(path)]:
                del missing[text]
            if not missing:
                return
        if missing:
            text = next(iter(missing))
            raise UsageError(
                f"the input {text!r} matches no file",
                where=self._where,
                now="nothing was run",
                hint=_why_nothing(text),
            )

    def _parsed(self, text: str) -> _Pattern:
        parts, above = [part for part in text.split("/") if part not in ("", ".")], list(self._above)
        while parts[:1] == [".."] and above:
            del parts[0], above[-1]
        problem = (
            "it is empty"
            if not text
            else "it is absolute"
            if text.startswith("/")
            else "it leads out of the folder of pyproject.toml"
            if ".." in parts
            else "it has a backslash; folders are divided by `/`"
            if "\\" in text
            else "no name has a NUL character"
            if "\0" in text
            else ""
        )
        if problem:
            raise UsageError(
                f"the input {text!r} is not a pattern: {problem}", where=self._where, now="nothing was run"
            )
        if not parts or text.endswith("/"):
            parts.append("**")
        parts = above + parts
        return _Pattern(text, _files(parts), _folders(parts))


def _why_nothing(text: str) -> str:
    if "[" in text:
        return "in a pattern `[` begins a set of characters; write `[[]` for one that is in a name"
    return (
        "correct it, or take it out; never looked into are links to folders, `.git`, `.shiptasks`, `node_modules`, "
        "caches and virtual environments"
    )


def _any(expressions: Iterable[str]) -> re.Pattern[str]:
    """What matches one of the expressions; without any, nothing."""
    return re.compile("|".join(f"(?:{each})" for each in expressions) or "(?!)", re.DOTALL)


def _files(parts: Sequence[str]) -> str:
    *before, last = parts
    text = ""
    for part, following in zip(before, parts[1:], strict=True):
        if part != "**":
            text += f"{_name(part)}/"
        elif following != "**":  # several in a row are one
            text += "(?:[^/]+/)*"
    if last == "**":
        return f"{text}.*"
    return f"{text}{_name(last)}" + ("" if _WILD.search(last) else "(?:/.*)?")


def _folders(parts: Sequence[str]) -> str:
    first, *rest = parts
    if first == "**":
        return ".*"
    if not rest:
        return "" if _WILD.search(first) else f"(?:{_name(first)}/.*)?"
    return f"(?:{_name(first)}/{_folders(rest)})?"


def _name(part: str) -> str:
    """The regular expression of one part of a path."""
    if not part.strip("*"):
        return "[^/]+"
    text, position = "", 0
    while position < len(part):
        char = part[position]
        end = part.find("]", position + (3 if part[position + 1 : position + 2] == "!" else 2)) if char == "[" else -1
        if end > 0:
            text += _set(part[position + 1 : end])
            position = end + 1
            continue
        text += {"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char)
        position += 1
    return text


def _set(text: str) -> str:
    """The regular expression of what stands between `[` and `]`."""
    negated = text.startswith("!")
    members, position = "", 1 if negated else 0
    while position < len(text):
        low, dash, high = text[position], text[position + 1 : position + 2], text[position + 2 : position + 3]
        if dash == "-" and high:
            members += f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""
            position += 3
        else:
            members += re.escape(low)
            position += 1
    if not members:
        return "[^/]" if negated else "(?!)"
    return f"(?!/)[{'^' if negated else ''}{members}]"
