"""An environment file from the template: what is there is kept, what can be generated is, the rest is a person's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shiptasks.envfile import dotenv, judge
from shiptasks.envfile.template import Entry, Template
from shiptasks.errors import Failed
from shiptasks.run import process

_TIMEOUT = 60.0
_HINT = "see the line `# generate:` in the template"


@dataclass(frozen=True)
class Draft:
    """What a file is to become. `text` has secrets in it, and is not part of the representation."""

    text: str = field(repr=False)
    added: tuple[str, ...]
    """Variables of the template that the file lacked."""
    generate: tuple[Entry, ...]
    """Variables whose value a command is to make."""
    to_fill: tuple[Entry, ...]
    """Variables that a person still has to fill in."""

    @property
    def nothing_to_do(self) -> bool:
        return not (self.added or self.generate)


def draft(template: Template, existing: bytes | None, given: frozenset[str] = frozenset()) -> Draft:
    """The file that `existing` becomes by the template; a new one when it is None. Its own lines stay as they are.

    `given` are variables that come from elsewhere, and so are left out. Runs nothing.
    """
    names = [name for name in template.entries if name not in given]
    if existing is None:
        text, added = _without(template, given), tuple(names)
    else:
        text = existing.decode("utf-8-sig", "replace").replace("\r\n", "\n")
        there = {each.name for each in dotenv.parse(existing).variables}
        added = tuple(name for name in names if name not in there)
        blocks = [_block(template, template.entries[name]) for name in added]
        text = "\n".join([text.rstrip("\n"), *blocks]).lstrip("\n") + "\n" if blocks else text
    values = dotenv.parse(text.encode()).values
    empty = [template.entries[name] for name in names if _is_open(values.get(name, ""))]
    return Draft(
        text,
        added,
        tuple(entry for entry in empty if entry.generate),
        tuple(entry for entry in empty if not entry.generate and (entry.required or entry.variable.value)),
    )


def generated(draft: Draft, cwd: Path) -> Draft:
    """The draft with the values that its commands make, each run without a shell in `cwd` and without input.

    Raises Failed when one fails, ends with nothing, or takes longer than a minute; its output is not shown.
    """
    values: dict[str, str] = {}
    for entry in draft.generate:
        result = process.run(entry.generate, cwd=cwd, timeout=_TIMEOUT, check=False, hint=_HINT)
        value = result.stdout.strip()
        problem = "" if value else "printed nothing"
        if not result.ok:
            problem = process.ending(result.exit_code)
        if problem:
            raise Failed(
                f"the command that generates {entry.name} {problem}",
                where=process.shown(entry.generate),
                now="nothing was written",
                hint=_HINT,
            )
        values[entry.name] = value
    return replace(draft, text=_filled(draft.text, values))


def write(path: Path, text: str) -> None:
    """Put the text at `path` at once, readable by its owner only from the first byte. Raises Failed."""
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> Failed:
    return Failed(
        f"the environment file cannot be written: {error.strerror}", where=str(path), now="nothing was written"
    )


def _is_open(value: str) -> bool:
    return not value or judge.is_placeholder(value)


def _without(template: Template, given: frozenset[str]) -> str:
    lines = template.text.split("\n")
    for entry in template.entries.values():
        if entry.name in given:
            for number in range(entry.variable.line, entry.variable.last + 1):
                lines[number - 1] = f"# {lines[number - 1]}"
    return "\n".join(lines)


def _block(template: Template, entry: Entry) -> str:
    """The lines of one variable in the template, with the comments above it."""
    lines = template.text.split("\n")
    first = entry.variable.line - len(entry.variable.comments)
    return "\n".join(["", *lines[first - 1 : entry.variable.last]])


def _filled(text: str, values: Mapping[str, str]) -> str:
    lines = text.split("\n")
    last = {each.name: each for each in dotenv.parse(text.encode()).variables}
    for variable in sorted(last.values(), key=lambda each: -each.line):
        if variable.name in values:
            lines[variable.line - 1 : variable.last] = [_plain(variable.name, values[variable.name])]
    return "\n".join(lines)


def _plain(name: str, value: str) -> str:
    """Without quotes where none are needed: people read these files."""
    ordinary = all(char.isalnum() or char in "_-+/=.:@%," for char in value)
    return f"{name}={value}" if ordinary else dotenv.assignment(name, value)
