"""Which commands a check runs: a pure function of the configuration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from shiptasks.config.suggest import did_you_mean
from shiptasks.errors import UsageError
from shiptasks.run.process import command_line

if TYPE_CHECKING:
    from shiptasks.config.model import Project

Kind = Literal["lint", "test"]
KINDS: tuple[Kind, ...] = ("lint", "test")


@dataclass(frozen=True)
class Command:
    """One command of the configuration, ready to run in `cwd`. `text` is what the user wrote."""

    kind: Kind
    name: str
    text: str
    argv: tuple[str, ...]
    cwd: Path

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


def plan(project: Project, kinds: Sequence[Kind] = KINDS, names: Collection[str] = ()) -> tuple[Command, ...]:
    """The commands of these kinds, in the order of the configuration; of them only `names` when any are given.

    Raises UsageError for a name that does not exist, for a command that cannot be read, and when there is nothing to
    run: a check of nothing must not pass.
    """
    tables = {"lint": project.lint, "test": project.test}
    configured = [(kind, name, text) for kind in kinds for name, text in tables[kind].items()]
    if not configured:
        sections = " or ".join(f"[tool.shiptasks.{kind}]" for kind in kinds)
        raise UsageError(
            "there is nothing to check: no command is configured",
            where=f"{sections} in pyproject.toml",
            now="nothing was run",
            hint=f"add one, such as {_EXAMPLES[kinds[0]]} under [tool.shiptasks.{kinds[0]}]",
        )
    known = list(dict.fromkeys(name for _, name, _ in configured))
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no {' or '.join(kinds)} command named {name!r}",
                now="nothing was run",
                hint=did_you_mean(name, known, before="--only=") or f"--only={','.join(known)}",
            )
    return tuple(
        Command(kind, name, text, _argv(kind, name, text), project.root)
        for kind, name, text in configured
        if not names or name in names
    )


_EXAMPLES = {"lint": 'ruff = "ruff check ."', "test": 'unit = "pytest -q"'}


def _argv(kind: Kind, name: str, text: str) -> tuple[str, ...]:
    try:
        return command_line(text)
    except UsageError as error:
        raise UsageError(
            error.what, where=f"tool.shiptasks.{kind}.{name} in pyproject.toml", now="nothing was run"
        ) from None
