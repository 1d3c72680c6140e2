"""What to write into a repository, from what was found: pure, and never over something that is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shiptasks.envfile.template import NAMES as TEMPLATES
from shiptasks.onboard.look import Repository
from shiptasks.onboard.services import Found, services
from shiptasks.onboard.table import table
from shiptasks.onboard.template import template

TASKS = "import shiptasks\n\nns = shiptasks.namespace()\n"
_IGNORED = (".shiptasks/", "shiptasks.local.toml", ".env.*", "!.env.template", "!.env.example")
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_PLAIN_TARGETS = ("check", "build")
_ENV_TARGETS = ("deploy", "verify", "rollback")


@dataclass(frozen=True)
class Change:
    """A file to write: what is in it now (None: it does not exist), and what will be."""

    path: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Proposal:
    """All changes, and what a person has to do by hand."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]


def propose(found: Repository, texts: dict[str, str]) -> Proposal:
    """The changes for a repository. `texts` has what is in the files that `write.texts` looks into."""
    built = services(found)
    changes = [
        _pyproject(found, built),
        _tasks(found, texts),
        _makefile(found),
        _template(found),
        _gitignore(found, texts),
    ]
    notes = [*_tasks_notes(found, texts), *_makefile_notes(found, texts), *_notes(found, built)]
    return Proposal(tuple(each for each in changes if each), tuple(notes))


def names(changes: Iterable[Change]) -> str:
    """The files, in words."""
    return ", ".join(change.path for change in changes)


def _pyproject(found: Repository, built: list[Found]) -> Change | None:
    if found.configured:
        return None
    before = found.pyproject
    gap = "" if not (before or "").strip("\ufeff") else "\n" if (before or "").endswith("\n") else "\n\n"
    return Change("pyproject.toml", before, (before or "") + _ended_as(before, gap + table(found, built)))


def _ended_as(before: str | None, text: str) -> str:
    """The text with the line ends of the file that it is added to."""
    return text.replace("\n", "\r\n") if before and "\r\n" in before else text


def _tasks_file(found: Repository, texts: dict[str, str]) -> str:
    """The tasks file that there is; a folder `tasks` without `__init__.py` is none, and does not stand in the way."""
    if "tasks.py" in found.files:
        return "tasks.py"
    return "tasks/__init__.py" if "tasks/__init__.py" in texts else ""


def _tasks(found: Repository, texts: dict[str, str]) -> Change | None:
    return None if _tasks_file(found, texts) else Change("tasks.py", None, TASKS)


def _tasks_notes(found: Repository, texts: dict[str, str]) -> Iterator[str]:
    file = _tasks_file(found, texts)
    text = texts.get(file, "")
    if not file or "shiptasks" in text:
        return
    if re.search(r"(?m)^(ns|namespace)\s*=", text):
        yield f'add to {file}: `import shiptasks` and, at its end, `ns.add_collection(shiptasks.namespace(), "ship")`'
    else:
        yield f"add to {file}: `import shiptasks` and `ns = shiptasks.namespace()`"


def _makefile_text(plain: Iterable[str], with_env: Iterable[str]) -> str:
    plain, with_env = " ".join(plain), " ".join(with_env)
    lines = ["INV ?= inv"]
    if with_env:
        lines.append("ENV ?= staging")
    lines += ["", f".PHONY: {plain} {with_env}".replace(":  ", ": ").rstrip()]
    for targets, command in ((plain, "$(INV) $@"), (with_env, "$(INV) $@ --env=$(ENV)")):
        if targets:
            lines += ["", f"{targets}:", f"\t{command}"]
    return "\n".join(lines) + "\n"


def _on_one_line(rules: str) -> str:
    """Rules without tabs, which do not outlive being copied from a terminal."""
    return rules.replace(":\n\t", ":; ")


def _makefile(found: Repository) -> Change | None:
    if found.files & {*_MAKEFILES}:
        return None
    about = "# The tasks are in tasks.py: `inv --list` shows all of them.\n"
    return Change("Makefile", None, about + _makefile_text(_PLAIN_TARGETS, _ENV_TARGETS))


def _makefile_notes(found: Repository, texts: dict[str, str]) -> Iterator[str]:
    file = next((name for name in _MAKEFILES if name in found.files), "")
    text = texts.get(file, "")
    if not file or re.search(r"\binv\b|\$\(INV\)", text):
        return
    taken = set(re.findall(r"(?m)^([A-Za-z0-9_-]+)[ \t]*:(?!=)", text))
    free = [[name for name in each if name not in taken] for each in (_PLAIN_TARGETS, _ENV_TARGETS)]
    if any(free):
        yield f"{file} is left as it is; these lines would call the tasks:\n\n{_on_one_line(_makefile_text(*free))}"


def _template(found: Repository) -> Change | None:
    variables = found.compose.variables if found.compose else ()
    if not variables or found.files & {*TEMPLATES}:
        return None
    return Change(".env.template", None, template(variables))


def _gitignore(found: Repository, texts: dict[str, str]) -> Change | None:
    before = texts.get(".gitignore")
    if before is None and not found.git:
        return None
    ignored = before or ""
    present = {line.strip() for line in ignored.split("\n")}
    missing = [line for line in _IGNORED if line not in present and line.rstrip("/") not in present]
    if not missing:
        return None
    gap = "" if not ignored or ignored.endswith("\n") else "\n"
    added = _ended_as(before, gap + "".join(f"{line}\n" for line in missing))
    return Change(".gitignore", before, ignored + added)


def _notes(found: Repository, built: list[Found]) -> Iterator[str]:
    if not found.git:
        yield "this is no git repository: versions must be named, as in `inv build --version=1.0.0`"
    if found.compose is None:
        yield "there is no Compose file for production: a deploy needs one, with each service by its name"
        return
    for other in found.others:
        if other.kind in ("prod", "production") and not other.whole:
            yield f"{other.path} lies over another file, and a deploy takes one: put it into {found.compose.path}"
    for each in built:
        if each.called:
            yield f"the service {each.called!a} must be called {each.name} in the Compose file"
        yield from (f"{each.called or each.name} {hindrance}" for hindrance in each.hindrances)
