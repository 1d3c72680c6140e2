"""What to write into a repository, from what was found: pure. What is uncertain is proposed as a comment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from shiptasks.envfile.judge import is_secret_name
from shiptasks.envfile.template import NAMES as TEMPLATES
from shiptasks.onboard.look import Dockerfile, Repository

TASKS = "import shiptasks\n\nns = shiptasks.namespace()\n"
_IGNORED = (".shiptasks/", "shiptasks.local.toml", ".env.*", "!.env.template", "!.env.example")
_MAKEFILE = """\
# The tasks are in tasks.py: `inv --list`.
INV ?= inv
ENV ?= staging

.PHONY: check build deploy verify rollback

check build:
\t$(INV) $@

deploy verify rollback:
\t$(INV) $@ --env=$(ENV)
"""


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
    """The changes for a repository. `texts` has what is in `.gitignore`, `tasks.py` and `Makefile`."""
    changes: list[Change] = []
    notes: list[str] = []
    if not found.configured:
        before = found.pyproject
        table = "\n".join(_table(found)) + "\n"
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        added = gap + table
        if before and "\r\n" in before:
            added = added.replace("\n", "\r\n")
        changes.append(Change("pyproject.toml", before, (before or "") + added))
    if "tasks.py" not in found.files and "tasks" not in found.files:
        changes.append(Change("tasks.py", None, TASKS))
    elif "shiptasks" not in texts.get("tasks.py", ""):
        where = "tasks.py" if "tasks.py" in found.files else "tasks/__init__.py"
        notes.append(f"add to {where}: `import shiptasks` and `ns = shiptasks.namespace()`")
    if not found.files & {"Makefile", "makefile", "GNUmakefile"}:
        changes.append(Change("Makefile", None, _MAKEFILE))
    elif "inv " not in texts.get("Makefile", "inv "):
        notes.append("the Makefile is left as it is: a target that calls `inv check` would make both the same")
    if found.variables and not found.files & set(TEMPLATES):
        changes.append(Change(".env.template", None, _template(found.variables)))
    ignored = texts.get(".gitignore", "")
    missing = [line for line in _IGNORED if line not in ignored.splitlines()]
    if missing and (found.git or ".gitignore" in found.files):
        gap = "" if not ignored or ignored.endswith("\n") else "\n"
        lines = "\n".join(missing)
        old = ignored if ".gitignore" in found.files else None
        changes.append(Change(".gitignore", old, f"{ignored}{gap}{lines}\n"))
    if not found.git:
        notes.append("this is no git repository: versions must be named, as in `inv build --version=1.0.0`")
    return Proposal(tuple(changes), tuple(notes))


def _table(found: Repository) -> Iterator[str]:
    yield "# What inv check, build, deploy … work with. `inv config` shows what is in effect, `inv doctor` what lacks."
    yield "[tool.shiptasks]"
    yield f"project = {_quoted(name_of(found.name))}"
    owner = found.owner.lower() if re.fullmatch(r"[A-Za-z0-9-]+", found.owner) else "acme"
    yield f'# registry = "ghcr.io/{owner}"         # where images are pushed; hosts over SSH need it'
    if found.compose_file and found.compose_file != "compose.yaml":
        yield f"compose-file = {_quoted(found.compose_file)}"
    for heading, commands in (("lint", dict(_lint(found))), ("test", dict(_test(found)))):
        yield ""
        if commands:
            yield f"[tool.shiptasks.{heading}]                      # by name: inv check --only={next(iter(commands))}"
            yield from (f"{name} = {_quoted(command)}" for name, command in commands.items())
        else:
            example = 'ruff = "ruff check ."' if heading == "lint" else 'unit = "pytest"'
            yield f"# [tool.shiptasks.{heading}]"
            yield f"# {example}"
    yield from _services(found)
    yield from (
        "",
        "# Where releases go: `local` is this machine without SSH, the others are servers with Docker.",
        "# [tool.shiptasks.environments.local]",
        "# proxy.port = 8080",
        "# [tool.shiptasks.environments.staging]",
        '# hosts = ["deploy@staging.example.com"]',
        '# url = "https://staging.example.com"',
        '# env-file = ".env.staging"',
    )


def _services(found: Repository) -> Iterator[str]:
    used: set[str] = set()
    compose = {each.name: each for each in found.services}
    rows: list[tuple[str, str, str, str, int | None]] = []
    for each in compose.values():
        port = each.port or next((one.port for one in found.dockerfiles if str(one.path.parent) == each.context), None)
        rows.append((each.name, each.context, each.dockerfile, each.target, port))
    if not rows:
        rows = [(_service_name(found, one), *_build(one), "", one.port) for one in found.dockerfiles]
    if not rows:
        yield from ("", "# No Dockerfile was found. A service is built from one:", "# [tool.shiptasks.services.api]")
        yield '# context = "."'
    for name, context, dockerfile, target, port in rows:
        name = _unique(name_of(name), used)
        yield ""
        yield f"[tool.shiptasks.services.{name}]"
        yield f"context = {_quoted(context)}"
        if dockerfile and PurePosixPath(dockerfile) != PurePosixPath(context) / "Dockerfile":
            yield f"dockerfile = {_quoted(dockerfile)}"
        if target:
            yield f"target = {_quoted(target)}"
        yield f"# port = {port or 8000}                            # inside the container"
        yield '# health = "/health"                    # answers 200 when it is ready'
        yield '# routes = ["/"]                         # what the proxy sends here; needs port and health'


def _build(one: Dockerfile) -> tuple[str, str]:
    """Context and Dockerfile: a folder with nothing else in it holds only the recipe, and builds from the root."""
    folder = one.path.parent
    if one.alone and str(folder) != ".":
        return ".", str(one.path)
    return str(folder), "" if one.path.name == "Dockerfile" else str(one.path)


def _service_name(found: Repository, one: Dockerfile) -> str:
    name = one.path.name
    for part in (name.removeprefix("Dockerfile"), name.removesuffix("Dockerfile")):
        if part != name and part.strip("."):
            return part.strip(".")
    return one.path.parent.name or found.name


def _lint(found: Repository) -> Iterator[tuple[str, str]]:
    tools = found.tools
    if "ruff" in tools or found.files & {"ruff.toml", ".ruff.toml"}:
        yield "ruff", "ruff check ."
        yield "format", "ruff format --check ."
    if "black" in tools:
        yield "black", "black --check ."
    if "isort" in tools:
        yield "isort", "isort --check-only ."
    if ".flake8" in found.files:
        yield "flake8", "flake8"
    if "mypy" in tools or "mypy.ini" in found.files:
        yield "mypy", "mypy ." if not _mapping(tools.get("mypy")).get("files") else "mypy"
    if "pylint" in tools or ".pylintrc" in found.files:
        yield "pylint", "pylint --recursive=y ."
    if "lint" in found.scripts:
        yield "npm", "npm run lint"
    if ".pre-commit-config.yaml" in found.files:
        yield "pre-commit", "pre-commit run --all-files"
    if ".hadolint.yaml" in found.files and found.dockerfiles:
        yield "hadolint", "hadolint " + " ".join(map(_word, (str(each.path) for each in found.dockerfiles)))
    if "go.mod" in found.files:
        yield "vet", "go vet ./..."


def _test(found: Repository) -> Iterator[tuple[str, str]]:
    if "pytest" in found.tools or found.files & {"pytest.ini", "conftest.py"}:
        yield "pytest", "pytest"
    if "test" in found.scripts and "no test specified" not in found.scripts["test"]:
        yield "npm", "npm test"
    if "go.mod" in found.files:
        yield "go", "go test ./..."


def _template(variables: dict[str, bool]) -> str:
    lines = ["# The variables of the Compose file. `inv env.create --env=…` makes an environment file from this.", ""]
    for name, needed in variables.items():
        lines.append("# required" if needed else "# optional")
        if is_secret_name(name):
            lines.append("# generate: openssl rand -hex 24")
        lines += [f"{name}=", ""]
    return "\n".join(lines).rstrip() + "\n"


def name_of(text: str) -> str:
    """A name for projects and services out of any text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "app"


def _unique(name: str, used: set[str]) -> str:
    wanted, number = name, 2
    while name in used:
        name, number = f"{wanted[:37]}-{number}", number + 1
    used.add(name)
    return name


def _quoted(text: str) -> str:
    """A TOML string: JSON's form is one, except for a raw DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_./-]+", text) else json.dumps(text)


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def names(changes: Iterable[Change]) -> str:
    """The files, in words."""
    return ", ".join(change.path for change in changes)
