"""`${VAR}` in the values where it is documented: the process environment's value, with an error for an unset one.

`${VAR:-text}` gives `text` where VAR is not set or empty; `$${` is a plain `${`. Everywhere else `${` is text like any
other: commands of lint and test, for example, are expanded by their shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shiptasks.config.layers import Layers
from shiptasks.config.locate import KeyPath

WHERE: tuple[tuple[str, ...], ...] = (
    ("registry",),
    ("services", "*", "args", "*"),
    ("ssh", "config"),
    ("ssh", "key"),
    ("ssh", "known-hosts"),
    ("environments", "*", "hosts"),
    ("environments", "*", "url"),
    ("environments", "*", "env-file"),
)
"""The keys whose values are interpolated; `*` is any name."""

_PART = re.compile(r"\$\$(?=\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^{}]*))?\}|\$\{")


class Wrong(ValueError):
    """A text that cannot be interpolated, in words."""


def interpolate(layers: Layers, environ: Mapping[str, str]) -> Iterator[tuple[KeyPath, str]]:
    """Replace the variables in the values of `layers`; yields the path and what is wrong for each that cannot be."""
    for path, value in list(layers.leaves()):
        if not any(_matches(pattern, path) for pattern in WHERE):
            continue
        used: list[str] = []
        if isinstance(value, list):
            items: list[Any] = []
            for index, item in enumerate(value):
                try:
                    items.append(expand(item, environ, used) if isinstance(item, str) else item)
                except Wrong as error:
                    items.append(item)
                    yield (*path, index), str(error)
            layers.replace(path, items)
        elif isinstance(value, str):
            try:
                layers.replace(path, expand(value, environ, used))
            except Wrong as error:
                yield path, str(error)
        if used:
            layers.used[path] = tuple(dict.fromkeys(used))


def expand(text: str, environ: Mapping[str, str], used: list[str]) -> str:
    """`text` with the values of its variables, whose names are added to `used`. Raises Wrong."""

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, default = match[1], match[3]
        if name is None:
            raise Wrong("expected the name of a variable, as in ${NAME}; for the text itself write $${")
        value = environ.get(name, "")
        if not value:
            if match[2] is None:
                state = "is empty" if name in environ else "is not set"
                raise Wrong(f"the variable {name} {state}: set it, or give a default, as in ${{{name}:-text}}")
            return default or ""
        used.append(name)
        return value

    return _PART.sub(one, text)


def _matches(pattern: tuple[str, ...], path: KeyPath) -> bool:
    return len(pattern) == len(path) and all(
        part in ("*", key) for part, key in zip(pattern, map(str, path), strict=True)
    )
