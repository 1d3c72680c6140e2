"""Finds the plugins that the configuration names among the installed packages, and makes them with their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal

from shiptasks.config.suggest import did_you_mean
from shiptasks.errors import UsageError

if TYPE_CHECKING:
    from shiptasks.config.model import Project

Group = Literal["checks", "notifiers", "hosts", "scanners"]
GROUPS: Mapping[Group, str] = {
    "checks": "checks",
    "notifiers": "handle",
    "hosts": "connect",
    "scanners": "findings",
}
"""The groups, `shiptasks.<name>` in a package's metadata, each with the method that its plugins have."""
_NOTHING_RAN = "nothing was run"


@dataclass(frozen=True)
class Plugin:
    """A plugin that is ready for use. `package` is the distribution that brought it, with its version."""

    name: str
    package: str
    made: Any


def enabled(project: Project, group: Group) -> tuple[Plugin, ...]:
    """The plugins of a group that `[tool.shiptasks.plugins]` names, in that order.

    Raises UsageError for a name that no installed package provides in any group, for one that cannot be loaded, and
    for options that it does not take, each at its place.
    """
    if not project.plugins:
        return ()
    known = {each: installed(each) for each in GROUPS}
    everything = {name for entries in known.values() for name in entries}
    for name in project.plugins:
        if name not in everything:
            raise _unknown(name, everything, project.where("plugins", name))
    return tuple(_make(project, known[group][name], group) for name in project.plugins if name in known[group])


def named(project: Project, group: Group, name: str, where: str) -> Plugin:
    """One plugin by its name, with its options if there are any. Raises UsageError as `enabled` does."""
    entries = installed(group)
    if name not in entries:
        raise _unknown(name, set(entries), where)
    return _make(project, entries[name], group)


def installed(group: Group) -> dict[str, EntryPoint]:
    """Every plugin of a group that an installed package provides, by name."""
    return {entry.name: entry for entry in entry_points(group=f"shiptasks.{group}")}


def _make(project: Project, entry: EntryPoint, group: Group) -> Plugin:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
    table = project.plugins.get(entry.name, {})
    where = project.where("plugins", entry.name)
    try:
        factory: Callable[[Any], Any] = entry.load()
    except Exception as error:
        raise UsageError(
            f"the plugin {entry.name} of {package} cannot be loaded: {type(error).__name__}: {error}",
            where=where,
            now=_NOTHING_RAN,
        ) from error
    options = _options(project, entry.name, getattr(factory, "options", None), table)
    try:
        made = factory(options)
    except ValueError as error:
        raise UsageError(f"plugins.{entry.name}: {error}", where=where, now=_NOTHING_RAN) from None
    if not callable(getattr(made, GROUPS[group], None)):
        what = f"the plugin {entry.name} of {package} is none of shiptasks.{group}: it has no method {GROUPS[group]}"
        raise UsageError(what, where=where, now=_NOTHING_RAN)
    return Plugin(entry.name, package, made)


def _options(project: Project, name: str, model: Any, table: Mapping[str, Any]) -> Any:
    from pydantic import BaseModel, ValidationError

    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return table
    try:
        return model.model_validate(dict(table))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(map(str, ("plugins", name, *first["loc"])))
        keys = [info.alias or field for field, info in model.model_fields.items()]
        unknown = first["type"] == "extra_forbidden"
        hint = (did_you_mean(str(first["loc"][-1]), keys) or f"the keys here are: {', '.join(keys)}") if unknown else ""
        said = "unknown key" if unknown else first["msg"][:1].lower() + first["msg"][1:]
        where = project.where("plugins", name, *first["loc"])
        raise UsageError(f"{path}: {said}", where=where, now=_NOTHING_RAN, hint=hint) from None


def _unknown(name: str, known: set[str], where: str) -> UsageError:
    hint = did_you_mean(name, known) or (
        f"installed are: {', '.join(sorted(known))}" if known else "install its package"
    )
    return UsageError(f"no installed package provides the plugin {name}", where=where, now=_NOTHING_RAN, hint=hint)
