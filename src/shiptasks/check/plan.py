"""Which commands a check runs: a pure function of the configuration."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from shiptasks.config.suggest import did_you_mean
from shiptasks.errors import UsageError
from shiptasks.plugins.discover import enabled
from shiptasks.plugins.protocols import Scanner
from shiptasks.run.process import command_line

if TYPE_CHECKING:
    from shiptasks.config.model import Project

Kind = Literal["lint", "test", "scan"]
KINDS: tuple[Kind, ...] = ("lint", "test", "scan")


@dataclass(frozen=True)
class Command:
    """One command of the configuration, ready to run in `cwd`. `text` is what the user wrote."""

    kind: Kind
    name: str
    text: str
    argv: tuple[str, ...]
    cwd: Path
    scanner: Scanner | None = None
    """What reads the findings of a scan."""

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


def plan(project: Project, kinds: Sequence[Kind] = KINDS, names: Collection[str] = ()) -> tuple[Command, ...]:
    """The commands of these kinds, in the order of the configuration; of them only `names` when any are given.

    Raises UsageError for a name that does not exist, for a command that cannot be read, and when there is nothing to
    run: a check of nothing must not pass.
    """
    scanners = {each.name: each.made for each in enabled(project, "scanners")} if "scan" in kinds else {}
    commands = {name: tuple(scanner.command(project)) for name, scanner in scanners.items()}
    tables: dict[Kind, Mapping[str, str]] = {
        "lint": project.lint,
        "test": project.test,
        "scan": {name: shlex.join(argv) for name, argv in commands.items()},
    }
    configured = [(kind, name, text) for kind in kinds for name, text in tables[kind].items()]
    if not configured:
        sections = " or ".join(f"[tool.shiptasks.{kind}]" for kind in kinds if kind in _EXAMPLES)
        raise UsageError(
            "there is nothing to check: no command is configured",
            where=f"{sections} in pyproject.toml",
            now="nothing was run",
            hint=f"add one, such as {_EXAMPLES[kinds[0]]} under [tool.shiptasks.{kinds[0]}]",
        )
    known = list(dict.fromkeys(name for _, name, _ in configured))
    asked = [kind for kind in kinds if kind in _EXAMPLES or tables[kind]]
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no {' or '.join(asked)} command named {name!r}",
                now="nothing was run",
                hint=did_you_mean(name, known, before="--only=") or f"--only={','.join(known)}",
            )
    return tuple(
        Command(kind, name, text, commands[name], project.root, scanners[name])
        if kind == "scan"
        else Command(kind, name, text, _argv(project, kind, name, text), project.root)
        for kind, name, text in configured
        if not names or name in names
    )


_EXAMPLES = {"lint": 'ruff = "ruff check ."', "test": 'unit = "pytest -q"'}


def _argv(project: Project, kind: Kind, name: str, text: str) -> tuple[str, ...]:
    try:
        return command_line(text)
    except UsageError as error:
        raise UsageError(
            f"{kind}.{name}: {error.what}", where=project.where(kind, name), now="nothing was run"
        ) from None
