"""`inv tasks`: every task with its parameters, for editors and CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shiptasks.tasks._task import Task, answer, root_of, task

if TYPE_CHECKING:
    from invoke.context import Context


@task(group="Set up")
def tasks(c: Context, format: str = "text") -> None:
    """List every task with its flags."""
    from shiptasks.tasks._listing import group_of, summary
    from shiptasks.tasks._namespace import tasks_of

    found: list[dict[str, Any]] = [
        {
            "name": name,
            "group": group_of(each),
            "summary": summary(each),
            "doc": (each.__doc__ or "").strip(),
            "file": each.body.__code__.co_filename,
            "line": each.body.__code__.co_firstlineno,
            "parameters": _parameters(each),
        }
        for name, each in sorted(tasks_of(c).items())
    ]
    lines = []
    for one in found:
        lines.append(f"{one['name']}: {one['summary']}")
        for each in one["parameters"]:
            lines.append(f"    {each['flag']:<14} {each['kind']}" + (f": {each['help']}" if each["help"] else ""))
    answer(format, {"root": str(root_of(c)), "tasks": found}, "\n".join(lines))


def _parameters(each: Any) -> list[dict[str, Any]]:
    if not isinstance(each, Task):
        return [
            {
                "name": one.attr_name or one.name,
                "flag": f"--{one.name}",
                "kind": one.kind.__name__,
                "default": one.default,
                "required": False,
                "choices": [],
                "many": one.kind is list,
                "help": one.help or "",
            }
            for one in each.get_arguments()
        ]
    return [
        {
            "name": one.name,
            "flag": one.flag,
            "kind": one.word,
            "default": None if one.required else one.default,
            "required": one.required,
            "choices": list(one.choices),
            "many": one.many,
            "help": each.described(one),
        }
        for one in each.parameters.values()
    ]
