"""The keys that the configuration knows, by path: what each may hold, and how a text becomes such a value.

Variables and flags hold text; files hold TOML. This is where the one becomes the other.
"""

from __future__ import annotations

import re
import shlex
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from shiptasks.config.locate import KeyPath
from shiptasks.config.section import Section
from shiptasks.config.toml import parse
from shiptasks.config.values import Percent


def is_section(kind: Any) -> TypeGuard[type[Section]]:
    # Before Python 3.11 `Mapping[str, X]` says that it is a type, and is none to issubclass.
    return get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, Section)


def is_table(kind: Any) -> bool:
    """Whether it is a table of free names."""
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def aliases(section: type[Section]) -> dict[str, FieldInfo]:
    """The keys of a table, with the field of each."""
    return {info.alias or name: info for name, info in section.model_fields.items()}


def kind_at(root: type[Section], path: KeyPath) -> Any:
    """The annotation of the value at `path`: of a field, or of what a table or list of free keys holds; else None."""
    kind: Any = root
    for part in path:
        kind = plain(kind)
        if is_section(kind):
            info = aliases(kind).get(str(part))
            kind = info.annotation if info else None
        else:
            inner = [each for each in get_args(kind) if each is not Ellipsis]
            kind = inner[-1] if inner else None
    return plain(kind)


def field_at(root: type[Section], path: KeyPath) -> FieldInfo | None:
    """The field at `path`; None for a name that the user chose."""
    section = kind_at(root, path[:-1]) if path else None
    return aliases(section).get(str(path[-1])) if is_section(section) else None


def plain(kind: Any) -> Any:
    """The annotation without `Annotated` and without `| None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, types.UnionType):
            inner = [each for each in get_args(kind) if each is not type(None)]
            if len(inner) != 1:
                return kind
            kind = inner[0]
        else:
            return kind


def settable(root: type[Section], table: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of every key below `path` that holds a value, for the named tables that `table` has."""
    kind = kind_at(root, path)
    if is_section(kind):
        for key in aliases(kind):
            yield from settable(root, table.get(key) if isinstance(table, dict) else None, (*path, key))
    elif is_table(kind):
        for name in table if isinstance(table, dict) else ():
            yield from settable(root, table[name], (*path, name))
    else:
        yield path


def variable(path: KeyPath) -> str:
    """`SHIPTASKS_SERVICES_API_REPLICAS` for `services.api.replicas`."""
    return "_".join(("SHIPTASKS", *(re.sub(r"[^A-Z0-9]", "_", str(part).upper()) for part in path)))


def value_of(kind: Any, text: str) -> Any:
    """What a file would hold where a variable or flag holds `text`; the text itself where that cannot be told."""
    kind = plain(kind)
    origin = get_origin(kind)
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind is int:
        return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else text
    if kind is Percent:
        return float(text) if re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,9})?", text) else text
    if origin is tuple and is_section(plain(get_args(kind)[0])):
        return _toml(text) if text.lstrip().startswith(("[", "{")) else text
    if origin is tuple:
        if text.lstrip().startswith("["):
            return _toml(text)
        # A command is written as in a shell; hosts and paths with commas.
        if get_args(kind)[0] is str:
            return _words(text)
        return [part.strip() for part in text.split(",") if part.strip()]
    if is_section(kind) or is_table(kind):
        return _toml(text) if text.lstrip().startswith("{") else text
    return text


def dotted(text: str) -> KeyPath:
    """`services.api.replicas` as a path; parts may be quoted as in TOML. Raises ValueError for what is no key."""
    if "\n" in text or "=" in text:
        raise ValueError("expected a key such as services.api.replicas")
    try:
        value: Any = parse(f"{text} = 0")
    except (ValueError, RecursionError):
        raise ValueError("expected a key such as services.api.replicas") from None
    path: list[str] = []
    while isinstance(value, dict):
        key, value = next(iter(value.items()))
        path.append(key)
    return tuple(path)


def _toml(text: str) -> Any:
    try:
        return parse(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _words(text: str) -> list[str] | str:
    try:
        return shlex.split(text)
    except ValueError:
        return text
