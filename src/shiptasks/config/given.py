"""What the process environment and a task's flags say: `SHIPTASKS_DEPLOY_BATCH=2`, `--set deploy.batch=2`.

Both reach every key that the model has, for the services and environments that the files define.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shiptasks.config.keys import dotted, is_section, kind_at, settable, value_of, variable
from shiptasks.config.layers import Origin
from shiptasks.config.locate import KeyPath
from shiptasks.config.model import OVERLAY, Project
from shiptasks.config.problems import Problem
from shiptasks.config.suggest import did_you_mean

PREFIX = "SHIPTASKS_"
RESERVED = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "DEBUG",
        # What a hook is told: see run/hooks.py.
        *("TASK", "STAGE", "WHEN", "ENVIRONMENT", "VERSION", "REVISION", "HOSTS", "OUTCOME", "ERROR", "RUN", "WITHIN"),
    )
)
"""Variables of ours that are no configuration."""
RESERVED_PREFIXES = (f"{PREFIX}LAB",)

Given = tuple[dict[str, Any], Origin]
"""A table with one value, and where it was given."""


def from_variables(environ: Mapping[str, str], table: Any, problems: list[Problem]) -> list[Given]:
    """The keys that variables set; an empty variable counts as not set. Problems are added for unknown ones."""
    found = {name: text for name, text in environ.items() if name.startswith(PREFIX) and text}
    found = {name: text for name, text in found.items() if not _reserved(name)}
    if not found:
        return []
    known: dict[str, list[KeyPath]] = {}
    for key in settable(Project, table):
        known.setdefault(variable(key), []).append(key)
    given = []
    path: KeyPath | None
    for name, text in found.items():
        paths = known.get(name, [])
        path = _new_name(name, table) if not paths else paths[0] if len(paths) == 1 else None
        if path is None:
            problems.append(_unknown_variable(name, paths, known))
        else:
            given.append((_nested(path, value_of(kind_at(Project, path), text)), Origin(None, (), variable=name)))
    return given


def from_flags(flags: Sequence[str], table: Any, problems: list[Problem]) -> list[Given]:
    """The keys that `--set KEY=VALUE` sets, in their order. Problems are added for what cannot be one."""
    given = []
    for text in flags:
        key, equals, value = text.partition("=")
        origin = Origin(None, (), flag=f"--set {key.strip()[:80]}")
        try:
            if not equals:
                raise ValueError("expected KEY=VALUE, such as services.api.replicas=2")
            path = dotted(key.strip())
        except ValueError as error:
            problems.append(Problem(origin, str(error)))
            continue
        problem = _unknown_name(path, table, origin)
        if problem:
            problems.append(problem)
        else:
            given.append((_nested(path, value_of(_kind(path), value)), origin))
    return given


def _kind(path: KeyPath) -> Any:
    """Of an environment's overlay it is the kind of the key that it overlays."""
    return kind_at(Project, path[2:] if _is_overlay(path) else path)


def _is_overlay(path: KeyPath) -> bool:
    return len(path) > 2 and path[0] == "environments" and path[2] in OVERLAY


def _unknown_name(path: KeyPath, table: Any, origin: Origin) -> Problem | None:
    """A flag changes services and environments that the files define; it adds none."""
    for section, flag_path in (("environments", path), ("services", path[2:] if _is_overlay(path) else path)):
        if len(flag_path) > 1 and flag_path[0] == section:
            names = _names(table, section)
            if flag_path[1] not in names:
                hint = did_you_mean(str(flag_path[1]), names) or f"the {section} are: {', '.join(names) or 'none'}"
                return Problem(origin.below(*path), f"there is no {section[:-1]} `{flag_path[1]}`", hint)
    return None


def _names(table: Any, section: str) -> list[str]:
    value = table.get(section) if isinstance(table, dict) else None
    return list(value) if isinstance(value, dict) else []


def _new_name(variable_name: str, table: Any) -> KeyPath | None:
    """A key with a free name that no file has yet, such as a further build argument."""
    for service in _names(table, "services"):
        prefix = variable(("services", service, "args")) + "_"
        if variable_name.startswith(prefix):
            return ("services", service, "args", variable_name.removeprefix(prefix))
    return None


def _unknown_variable(name: str, paths: Sequence[KeyPath], known: Iterable[str]) -> Problem:
    if paths:
        keys = " and ".join(".".join(map(str, path)) for path in paths)
        return Problem(Origin(None, (), variable=name), f"the variable {name} could mean {keys}", "use --set instead")
    hint = (
        did_you_mean(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], before=PREFIX)
        or "`inv config --variables` lists those that there are"
    )
    return Problem(Origin(None, (), variable=name), f"the variable {name} stands for no key", hint)


def _reserved(name: str) -> bool:
    return name in RESERVED or name.startswith(RESERVED_PREFIXES)


def _nested(path: KeyPath, value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def variables(table: Any) -> Iterator[tuple[str, KeyPath]]:
    """Every variable that is read, with the key that it stands for."""
    for path in settable(Project, table):
        if not is_section(kind_at(Project, path)):
            yield variable(path), path
