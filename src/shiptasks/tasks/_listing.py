"""`inv --list`, grouped: our tasks by what they are for, the repository's own below a heading of their own."""

from __future__ import annotations

from invoke.collection import Collection

from shiptasks.tasks._namespace import AnyTask, flat

OWN = "This repository"
GROUPS = ("Check", "Ship", "Look", "Set up", OWN)


def group_of(task: AnyTask) -> str:
    """The heading that a task is listed under."""
    return getattr(task, "group", "") or OWN


def summary(task: AnyTask) -> str:
    """The first line of a task's description."""
    return ((task.__doc__ or "").strip().splitlines() or [""])[0]


def lines(collection: Collection, columns: int) -> list[str] | None:
    """The lines of the listing, each in `columns`; None for a collection that is not ours."""
    if "shiptasks" not in collection.configuration():  # invoke has made a plain collection of the Namespace
        return None
    tasks = flat(collection)
    if not tasks:
        return None
    aliases = {name: list(map(collection.transform, each.aliases)) for name, each in tasks.items()}
    shown = {name: f"{name} ({', '.join(aliases[name])})" if aliases[name] else name for name in tasks}
    width = max(map(len, shown.values()))
    groups: dict[str, list[str]] = {name: [] for name in GROUPS}
    for name, each in tasks.items():
        text = summary(each)
        room = columns - width - 6
        if len(text) > room > 20:
            text = f"{text[: room - 1]}…"
        groups.setdefault(group_of(each), []).append(f"    {shown[name]:<{width}}  {text}".rstrip())
    told = ["Available tasks:", ""]
    for heading, rows in groups.items():
        if rows:
            told += [f"  {heading}", *(sorted(rows) if heading == OWN else rows), ""]
    return told
