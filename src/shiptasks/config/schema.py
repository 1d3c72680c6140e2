"""The JSON Schema of the configuration, made from the model: `python -m shiptasks.config.schema` writes both files.

They are shipped in `shiptasks/schema/`: `shiptasks.json` is the table itself, for shiptasks.local.toml;
`pyproject.json` is a pyproject.toml that holds it, and says nothing of the rest.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from shiptasks.config.keys import aliases, is_section, is_table, plain
from shiptasks.config.model import OVERLAY, Project
from shiptasks.config.reference import documented
from shiptasks.config.section import Section
from shiptasks.config.types import Name
from shiptasks.config.values import Duration, Percent, Size, duration_pattern, size_pattern
from shiptasks.deploy.sections import Environment

DIALECT = "http://json-schema.org/draft-07/schema#"  # what taplo and other TOML servers read
LOCAL, PYPROJECT = "shiptasks.json", "pyproject.json"
_NAME = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"


def folder() -> Path:
    """Where the files are installed."""
    return Path(__file__).parents[1] / "schema"


def render() -> dict[str, str]:
    """The text of each file, by name."""
    table = {**_table(Project, required=False), "title": "shiptasks.local.toml"}
    inner = _table(Project, required=True)
    pyproject = {
        "$schema": DIALECT,
        "title": "pyproject.toml with [tool.shiptasks]",
        "type": "object",
        "properties": {"tool": {"type": "object", "properties": {"shiptasks": inner}}},
    }
    return {LOCAL: _text({"$schema": DIALECT, **table}), PYPROJECT: _text(pyproject)}


def _table(section: type[Section], *, required: bool) -> dict[str, Any]:
    meanings = {name: " ".join(text.split()) for name, _, text in documented(section)}
    properties = {}
    for key, info in aliases(section).items():
        name = next(field for field, each in section.model_fields.items() if each is info)
        properties[key] = {**_value(info.annotation, info, required=required), "description": meanings[name]}
        if info.default is not None and not info.is_required() and not isinstance(info.default, Section):
            default = json.loads(json.dumps(info.default, default=str))
            properties[key]["default"] = str(info.default) if isinstance(info.default, (Duration, Size)) else default
    if section is Environment:
        # An environment's tables may hold a part of what the top-level ones hold.
        for key in OVERLAY:
            info = aliases(Project)[key]
            properties[key] = {**_value(info.annotation, info, required=False), "description": f"Overlays `{key}`."}
    needed = [key for key, info in aliases(section).items() if info.is_required()] if required else []
    told = (inspect.getdoc(section) or "").partition("\n\n")[0]
    return {
        "type": "object",
        "description": " ".join(told.split()),
        "additionalProperties": False,
        **({"required": needed} if needed else {}),
        "properties": properties,
    }


def _value(annotation: Any, info: FieldInfo | None, *, required: bool) -> dict[str, Any]:
    kind = plain(annotation)
    if is_section(kind):
        table = _table(kind, required=required)
        return {"anyOf": [{"type": "string"}, table]} if kind.text_key else table
    if is_table(kind):
        names, values = get_args(kind)
        named = {"propertyNames": {"pattern": _NAME}} if names == Name else {}
        return {"type": "object", **named, "additionalProperties": _value(values, None, required=required)}
    if get_origin(kind) is tuple and is_section(plain(get_args(kind)[0])):
        # One may stand without the list around it.
        one = _value(get_args(kind)[0], None, required=required)
        return {"anyOf": [*one["anyOf"], {"type": "array", "items": one}]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], None, required=required)}
    if get_origin(kind) is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    if kind is Any:
        return {}
    if kind is bool:
        return {"type": "boolean"}
    if kind is int:
        return {"type": "integer", **_bounds(info)}
    if kind is Percent:
        return {"type": "number", "minimum": 0, "maximum": 100}
    pattern = {Duration: duration_pattern(), Size: size_pattern()}.get(kind)
    return {"type": "string", **({"pattern": pattern} if pattern else {})}


def _bounds(info: FieldInfo | None) -> dict[str, int]:
    bounds: dict[str, int] = {}
    for item in info.metadata if info else ():
        if isinstance(item, annotated_types.Ge):
            bounds["minimum"] = int(str(item.ge))
        if isinstance(item, annotated_types.Le):
            bounds["maximum"] = int(str(item.le))
    return bounds


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    folder().mkdir(exist_ok=True)
    for file, content in render().items():
        (folder() / file).write_text(content, encoding="utf-8")
