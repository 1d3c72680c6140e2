"""`inv config`: the effective configuration, with the overlay of an environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shiptasks.tasks._task import answer, project_of, task

if TYPE_CHECKING:
    from invoke.context import Context


@task
def config(c: Context, env: str = "", format: str = "text") -> None:
    """Print the effective configuration of an environment."""
    project = project_of(c, env)
    data = {"root": str(project.root), "environment": env, **project.model_dump(mode="json", by_alias=True)}
    answer(format, data, "\n".join(_lines(data)))


def _lines(value: Any, path: str = "") -> list[str]:
    """`services.api.replicas = 2`: one line a value, easy to search and to compare."""
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _lines(item, f"{path}.{key}" if path else str(key))]
    return [f"{path} = {json.dumps(value, ensure_ascii=False)}"]
