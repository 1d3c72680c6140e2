"""An environment or a service by the name that someone typed; a wrong name is answered with those that exist."""

from __future__ import annotations

from shiptasks.config.model import Project, Service
from shiptasks.config.source import NOTHING_RAN
from shiptasks.config.suggest import did_you_mean
from shiptasks.deploy.sections import Environment
from shiptasks.errors import UsageError

_WHERE = "pyproject.toml"


def environment(project: Project, name: str) -> Environment:
    """The environment of that name. Raises UsageError for an unknown or an empty one."""
    known = project.environments.get(name)
    if known is None:
        raise unknown_environment(name, tuple(project.environments))
    return known


def service(project: Project, name: str) -> Service:
    """The service of that name. Raises UsageError for an unknown or an empty one."""
    known = project.services.get(name)
    if known is None:
        raise _unknown("service", name, tuple(project.services), _WHERE)
    return known


def unknown_environment(name: str, names: tuple[str, ...], *, where: str = _WHERE) -> UsageError:
    """What to answer when `name`, or no name, was given where one of `names` is needed."""
    return _unknown("environment", name, names, where)


def _unknown(kind: str, name: str, names: tuple[str, ...], where: str) -> UsageError:
    flag = {"environment": "--env=", "service": "--service="}[kind]
    what = f"there is no {kind} {_quoted(name)}" if name else f"which {kind}? none was given"
    if not names:
        hint = f"the configuration has no {kind}s: add a table [tool.shiptasks.{kind}s.<name>]"
    elif name:
        hint = f"{did_you_mean(name, names, before=flag)} The {kind}s are: {', '.join(names)}".lstrip()
    else:
        hint = f"add {flag}{names[0]}" + (f"; the {kind}s are: {', '.join(names)}" if len(names) > 1 else "")
    return UsageError(what, where=where, now=NOTHING_RAN, hint=hint)


def _quoted(name: str) -> str:
    return "`" + "".join(c if c.isprintable() else "?" for c in name[:60]) + "`"
