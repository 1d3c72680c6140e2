"""`inv config`: the effective configuration, and where each value comes from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shiptasks.tasks._task import answer, project_of, task

if TYPE_CHECKING:
    from invoke.context import Context


@task(
    group="Look",
    help={
        "explain": "one key: meaning, kind, default, and all that was written for it",
        "variables": "list the SHIPTASKS_* variables that are read here",
    },
)
def config(c: Context, env: str = "", explain: str = "", variables: bool = False, format: str = "text") -> None:
    """Show the configuration, and where it comes from."""
    from shiptasks.config import effective

    project = project_of(c, env)
    if explain:
        explained = effective.explain(project, explain)
        answer(format, explained.data(), "\n".join(explained.lines()))
    elif variables:
        found = effective.variables(project)
        width = max(len(name) for name, _ in found)
        answer(format, dict(found), "\n".join(f"{name:<{width}}  {key}" for name, key in found))
    else:
        data = {
            "root": str(project.root),
            "environment": env or None,
            "config": project.model_dump(mode="json", by_alias=True),
            "values": [setting.data() for setting in effective.settings(project)],
        }
        answer(format, data, "\n".join(effective.lines(project)))


@task(
    group="Look",
    under="config",
    help={"path": "print where the schema lies instead", "local": "that of shiptasks.local.toml"},
)
def schema(c: Context, path: bool = False, local: bool = False) -> None:  # noqa: ARG001 - a task has a context
    """Print the JSON Schema of the configuration."""
    from shiptasks.config.schema import LOCAL, PYPROJECT, folder

    file = folder() / (LOCAL if local else PYPROJECT)
    sys.stdout.write(f"{file}\n" if path else file.read_text(encoding="utf-8"))
