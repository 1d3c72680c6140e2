"""The template of environment files: what each variable is for, and how its value is made.

Marks are comment lines right above a variable: `# required`, `# optional`, `# generate: openssl rand -hex 24`,
`# warning: …`. All other comments are for people.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from shiptasks.envfile.dotenv import EnvFile, Variable, parse

NAMES = (".env.template", ".env.example")


@dataclass(frozen=True)
class Entry:
    """One variable of the template, with its marks."""

    variable: Variable
    required: bool = False
    generate: tuple[str, ...] = ()
    """The command whose standard output becomes the value; not run by a shell."""
    warnings: tuple[str, ...] = ()
    problem: str = ""
    """What is wrong with its marks."""

    @property
    def name(self) -> str:
        return self.variable.name


@dataclass(frozen=True)
class Template:
    """A template as read. `name` is that of the file in the root of the repository."""

    name: str
    text: str
    file: EnvFile
    entries: dict[str, Entry]


def find(root: Path) -> Template | None:
    """The template of the repository; None when it has none, or none that can be read."""
    for name in NAMES:
        try:
            content = (root / name).read_bytes()
        except OSError:
            continue
        return read(name, content)
    return None


def read(name: str, content: bytes) -> Template:
    """The template with this content."""
    file = parse(content)
    text = content.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    return Template(name, text, file, {each.name: _entry(each) for each in file.variables})


def _entry(variable: Variable) -> Entry:
    required, generate, warnings, problem = False, tuple[str, ...](), list[str](), ""
    for comment in variable.comments:
        word, colon, rest = comment.partition(":")
        mark = word.strip().lower()
        if mark in ("required", "optional") and not colon:
            required = mark == "required"
        elif mark == "warning" and rest.strip():
            warnings.append(rest.strip())
        elif mark == "generate" and colon:
            try:
                generate = tuple(shlex.split(rest))
            except ValueError:
                problem = "the command behind `generate:` has a quote that is not closed"
            else:
                problem = "" if generate else "there is no command behind `generate:`"
    return Entry(variable, required, generate, tuple(warnings), problem)
