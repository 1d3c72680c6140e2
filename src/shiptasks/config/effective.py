"""The configuration as it is in effect: every value, and where it comes from; and all that is said about one key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from shiptasks.config import reference
from shiptasks.config.keys import dotted, is_section, kind_at, settable, variable
from shiptasks.config.layers import Origin
from shiptasks.config.locate import KeyPath
from shiptasks.config.model import OVERLAY, Project
from shiptasks.config.problems import key_of
from shiptasks.config.source import NOTHING_RAN
from shiptasks.config.suggest import did_you_mean
from shiptasks.errors import UsageError

Kind = Literal["default", "file", "variable", "flag"]


@dataclass(frozen=True)
class Setting:
    """A value in effect. `origin` is None for a default; `used` are the variables that it was made of."""

    path: KeyPath
    value: Any
    origin: Origin | None
    used: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return key_of(self.path)

    @property
    def kind(self) -> Kind:
        if self.origin is None:
            return "default"
        return "file" if self.origin.source else "variable" if self.origin.variable else "flag"

    def told(self) -> str:
        """`pyproject.toml:12`, `SHIPTASKS_REGISTRY`, `--set deploy.batch`, `default`."""
        source = "default" if self.origin is None else _line(self.origin)
        return f"{source}, with {' and '.join(self.used)}" if self.used else source

    def data(self) -> dict[str, Any]:
        """Plain data, as `inv config --format=json` prints it."""
        return {"key": self.key, "value": self.value, "source": {**_source(self.origin), "with": list(self.used)}}


def settings(project: Project) -> list[Setting]:
    """Every value of the configuration, in the order of the model; None for a key that is not set."""
    layers = project.layers
    return [
        Setting(path, value, layers.origins.get(path), layers.variables(path))
        for path, value in _leaves(project.model_dump(mode="json", by_alias=True))
    ]


@dataclass(frozen=True)
class Explained:
    """One key: what it is for, what it may hold, what was written for it, in the order of the layers; the last wins."""

    setting: Setting
    meaning: str
    kind: str
    default: str
    variable: str
    written: tuple[tuple[Any, Origin], ...]

    def data(self) -> dict[str, Any]:
        return {
            **self.setting.data(),
            "meaning": self.meaning,
            "kind": self.kind,
            "default": self.default or None,
            "variable": self.variable,
            "written": [{"value": value, **_source(origin)} for value, origin in self.written],
        }

    def lines(self) -> list[str]:
        value = "is not set" if self.setting.value is None else f"= {_toml(self.setting.value)}"
        head = [f"{self.setting.key} {value}", "", f"  {self.meaning}", f"  {self.kind}"]
        head += [f"  by variable: {self.variable}", ""]
        rows = [("default", self.default or "not set")]
        for written, origin in self.written:
            by = f" (environment {origin.environment})" if origin.environment else ""
            rows.append((f"{_line(origin)}{by}", _toml(written)))
        width = max(len(place) for place, _ in rows)
        last = len(rows) - 1
        body = [f"  {place:<{width}}  {text}{'   <- wins' if index == last else ''}"
                for index, (place, text) in enumerate(rows)]  # fmt: skip
        if self.setting.used:
            body.append(f"  made of the variable {' and '.join(self.setting.used)}")
        return head + body


def explain(project: Project, key: str) -> Explained:
    """All that is known of one key. Raises UsageError for one that does not exist, or that is a whole table."""
    try:
        path = dotted(key)
    except ValueError as error:
        raise UsageError(f"--explain={key}: {error}", now=NOTHING_RAN) from None
    if len(path) > 2 and path[0] == "environments" and path[2] in OVERLAY:
        path = path[2:]
    found = {setting.path: setting for setting in settings(project)}
    setting = found.get(path)
    described = reference.describe(path) if setting else None
    if setting is None or described is None:
        below = [one.key for one in found.values() if one.path[: len(path)] == path]
        hint = f"the keys below it are: {', '.join(below)}" if below else did_you_mean(key, map(key_of, found))
        what = f"{key} is a table, not a value" if below else f"there is no key {key}"
        raise UsageError(what, now=NOTHING_RAN, hint=hint or "`inv config` lists all keys")
    return Explained(
        setting,
        described.meaning,
        described.kind,
        described.default,
        variable(path),
        tuple(project.layers.history.get(path, ())),
    )


def lines(project: Project) -> list[str]:
    """The values that are set, as TOML, each with its source as a comment."""
    shown = [each for each in settings(project) if each.origin or each.value not in (None, [], {})]
    rows = [(f"{each.key} = {_toml(each.value)}", each.told()) for each in shown]
    width = min(max(len(text) for text, _ in rows), 52)
    return [f"{text:<{width}}  # {source}" for text, source in rows]


def variables(project: Project) -> list[tuple[str, str]]:
    """Every `SHIPTASKS_*` variable that is read in this repository, with the key that it stands for."""
    table = project.model_dump(mode="json", by_alias=True)
    paths = (path for path in settable(Project, table) if not is_section(kind_at(Project, path)))
    return [(variable(path), key_of(path)) for path in paths]


def _leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def _line(origin: Origin) -> str:
    """The place without the column: short enough to stand beside a value."""
    return origin.where().rpartition(":")[0] if origin.source else origin.file


def _source(origin: Origin | None) -> dict[str, Any]:
    if origin is None:
        return {"kind": "default"}
    if origin.variable:
        return {"kind": "variable", "variable": origin.variable}
    if origin.flag:
        return {"kind": "flag", "flag": origin.flag}
    span = origin.source.find(origin.path, key=False) if origin.source else None
    place = {"line": span.line, "column": span.column} if span else {}
    return {"kind": "file", "file": origin.file, **place, "environment": origin.environment or None}


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
