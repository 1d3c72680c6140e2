"""The lint and test commands of a repository, from the configuration of the tools that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_WATCHES = re.compile(r"(?:vitest|react-scripts test)(?!.*\brun\b)")


@dataclass(frozen=True)
class Command:
    """A command by its name; one that is not `sure` is proposed as a comment.

    `text` is a command, or the name of a preset, which finds the tool in the environment that shiptasks is in.
    """

    name: str
    text: str
    sure: bool = True
    is_preset: bool = False


@dataclass(frozen=True)
class Package:
    """A package.json. `folder` is empty for that of the root; `manager` is npm, pnpm, yarn or bun."""

    folder: str
    manager: str
    scripts: Mapping[str, str]


@dataclass(frozen=True)
class Tools:
    """What the repository has of tools."""

    files: frozenset[str] = frozenset()
    """Names in the root."""
    tables: Mapping[str, Any] = field(default_factory=dict)
    """`[tool]` of pyproject.toml."""
    sections: frozenset[str] = frozenset()
    """Of setup.cfg and tox.ini."""
    requirements: str = ""
    """pyproject.toml and requirements files, as texts."""
    packages: tuple[Package, ...] = ()
    targets: frozenset[str] = frozenset()
    """Of the Makefile, as far as they do not call `inv` themselves."""
    dockerfiles: tuple[str, ...] = ()

    @property
    def runner(self) -> str:
        """What a Python tool is started with, so that it is the one of the project."""
        return "uv run " if "uv.lock" in self.files else "poetry run " if "poetry.lock" in self.files else ""

    def python(self, name: str, *files: str) -> bool:
        """Whether the Python tool of that name is configured or required."""
        return (
            name in self.tables
            or name in self.sections
            or bool(self.files & {*files})
            or bool(re.search(rf"""(?m)(?:["']{name}\s*(?:[\[<>=~!;@ ][^"'\n]*)?["']|^{name}\s*(?:[=<>~!;#]|$))""",
                              self.requirements))
        )  # fmt: skip


def lint(tools: Tools) -> list[Command]:
    """The lint commands, each name once."""
    return _by_name([*_python_lint(tools), *_scripts(tools, "lint"), *_other_lint(tools)], tools, "lint")


def test(tools: Tools) -> list[Command]:
    """The test commands, each name once."""
    return _by_name(list(_tests(tools)), tools, "test")


def _by_name(found: list[Command], tools: Tools, target: str) -> list[Command]:
    if not found and target in tools.targets:
        found = [Command("make", f"make {target}", sure=False)]
    names: dict[str, Command] = {}
    for each in found:
        names.setdefault(each.name, each)
    return list(names.values())


def _python_lint(tools: Tools) -> Iterator[Command]:
    run = tools.runner
    if tools.python("ruff", "ruff.toml", ".ruff.toml"):
        yield _preset("ruff", "ruff", run, f"{run}ruff check .")
        if not tools.python("black"):
            table = tools.tables.get("ruff")
            sure = isinstance(table, dict) and "format" in table
            yield _preset("format", "ruff-format", run, f"{run}ruff format --check .", sure)
    if tools.python("black"):
        yield _preset("black", "black", run, f"{run}black --check .")
    if tools.python("isort", ".isort.cfg"):
        yield _preset("isort", "isort", run, f"{run}isort --check-only .")
    if tools.python("flake8", ".flake8"):
        yield _preset("flake8", "flake8", run, f"{run}flake8")
    if tools.python("mypy", "mypy.ini", ".mypy.ini"):
        table = tools.tables.get("mypy")
        knows_files = isinstance(table, dict) and {"files", "packages", "modules"} & table.keys()
        yield _preset("mypy", "mypy", run, f"{run}mypy" if knows_files else f"{run}mypy .")
    if tools.python("pylint", ".pylintrc", "pylintrc"):
        yield _preset("pylint", "pylint", run, f"{run}pylint --recursive=y .")


def _preset(name: str, preset: str, runner: str, text: str, sure: bool = True) -> Command:
    """The preset; the command where the project has a runner of its own, whose environment may be another one."""
    return Command(name, text, sure) if runner else Command(name, preset, sure, is_preset=True)


def _scripts(tools: Tools, script: str) -> Iterator[Command]:
    for package in tools.packages:
        body = package.scripts.get(script, "")
        if not body or "no test specified" in body:
            continue
        before = f"cd {shlex.quote(package.folder)} && " if package.folder else ""
        once = "CI=1 " if _WATCHES.match(body) else ""
        name = re.sub(r"[^a-z0-9]+", "-", package.folder.lower()).strip("-")[:38].strip("-") or package.manager
        yield Command(name, f"{before}{once}{package.manager} run {script}")


def _other_lint(tools: Tools) -> Iterator[Command]:
    has_script = any("lint" in package.scripts for package in tools.packages)
    if not has_script and any(re.fullmatch(r"eslint\.config\.\w+|\.eslintrc(\.\w+)?", name) for name in tools.files):
        yield Command("eslint", "eslint", is_preset=True)
    if ".pre-commit-config.yaml" in tools.files:
        yield Command("pre-commit", f"{tools.runner}pre-commit run --all-files")
    if tools.files & {".hadolint.yaml", ".hadolint.yml"} and tools.dockerfiles:
        yield Command("hadolint", "hadolint", is_preset=True)
    if ".shellcheckrc" in tools.files:
        yield Command("shellcheck", "shellcheck", is_preset=True)
    if "go.mod" in tools.files:
        yield Command("vet", "go vet ./...")
        if any(name.startswith(".golangci.") for name in tools.files):
            yield Command("golangci", "golangci-lint run")
    if "Cargo.toml" in tools.files:
        yield Command("clippy", "cargo clippy --all-targets")
        yield Command("rustfmt", "cargo fmt --check", sure=bool(tools.files & {"rustfmt.toml", ".rustfmt.toml"}))


def _tests(tools: Tools) -> Iterator[Command]:
    if tools.python("pytest", "pytest.ini", "conftest.py") or "tool:pytest" in tools.sections:
        yield _preset("pytest", "pytest", tools.runner, f"{tools.runner}pytest")
    yield from _scripts(tools, "test")
    has_script = any("test" in package.scripts for package in tools.packages)
    if not has_script and any(name.startswith("vitest.config.") for name in tools.files):
        yield Command("vitest", "vitest", is_preset=True)
    if "go.mod" in tools.files:
        yield Command("go", "go test ./...")
    if "Cargo.toml" in tools.files:
        yield Command("cargo", "cargo test")
