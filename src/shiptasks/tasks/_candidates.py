"""What the words typed so far may go on with: tasks, flags, and the values of flags that the configuration names.

A shell waits for this at each press of Tab: the files are read as plain TOML, and a broken one completes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invoke.collection import Collection

from shiptasks.tasks._namespace import flat
from shiptasks.tasks._task import Task

_TABLES = {"env": "environments", "service": "services"}


def candidates(words: list[str], collection: Collection) -> list[str] | None:
    """The completions of the last word; None where there is nothing of ours to say.

    `words` are those behind the program's name, the last one empty when it is still to come.
    """
    words = [word.strip("'\"") for word in words]
    tasks = flat(collection)
    current = next((tasks[word] for word in reversed(words[:-1]) if word in tasks), None)
    last = words[-1] if words else ""
    before = words[-2] if len(words) > 1 else ""
    if not isinstance(current, Task):
        return None if current is not None or last.startswith("-") else sorted(tasks)
    if last.startswith("--") and "=" in last:
        flag, _, _ = last.partition("=")
        return [f"{flag}={value}" for value in _values(current, flag, collection)]
    if before.startswith("--") and "=" not in before and _takes_value(current, before):
        return _values(current, before, collection)
    if last.startswith("-"):
        flags = [*(each.flag for each in current.parameters.values()), "--set", "--debug", "--help"]
        return [f"{flag}=" if _takes_value(current, flag) else flag for flag in flags]
    return sorted(tasks)


def _takes_value(task: Task, flag: str) -> bool:
    found = next((each for each in task.parameters.values() if each.flag == flag), None)
    return flag == "--set" or (found is not None and found.kind is not bool)


def _values(task: Task, flag: str, collection: Collection) -> list[str]:
    found = next((each for each in task.parameters.values() if each.flag == flag), None)
    if found is None:
        return []
    if found.choices:
        return list(found.choices)
    table = _TABLES.get(found.name)
    root = collection.configuration().get("shiptasks", {}).get("root") or Path.cwd()
    return _names(Path(root), table) if table else []


def _names(root: Path, table: str) -> list[str]:
    from shiptasks.config.toml import parse

    names: dict[str, None] = {}
    for file, prefix in (("pyproject.toml", ("tool", "shiptasks")), ("shiptasks.local.toml", ())):
        try:
            value: Any = parse((root / file).read_text(encoding="utf-8"))
            for part in (*prefix, table):
                value = value[part]
            names.update(dict.fromkeys(map(str, value)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return sorted(names)
