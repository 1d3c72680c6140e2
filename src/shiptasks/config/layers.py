"""Configuration laid over configuration: tables merge, everything else is replaced, and each part knows its origin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from shiptasks.config.locate import KeyPath
from shiptasks.config.source import Source, shown


@dataclass(frozen=True)
class Origin:
    """Where a value was written: at `path` of a file's table, in an environment variable, or in a task's flag."""

    source: Source | None
    path: KeyPath
    variable: str = ""
    flag: str = ""

    def below(self, *parts: str | int) -> Origin:
        return replace(self, path=(*self.path, *parts))

    @property
    def file(self) -> str:
        """The file as people type it, or the name of the variable or flag."""
        return shown(self.source.path) if self.source else self.variable or self.flag

    def where(self, *, key: bool = False) -> str:
        """`pyproject.toml:12:10`, the place of the value or of its key; the name of a variable or flag."""
        span = self.source.find(self.path, key=key) if self.source else None
        return f"{self.file}:{span.line}:{span.column}" if span else self.file

    @property
    def environment(self) -> str:
        """The environment whose overlay it stands in; empty for what every environment gets."""
        return str(self.path[1]) if len(self.path) > 2 and self.path[0] == "environments" else ""


@dataclass(eq=False)
class Layers:
    """Tables laid one over the other: the result, and where each part of it came from.

    `history` has every value that was written for a path, in the order of the layers: the last one wins. `used` has
    the names of the variables that a value was made of by interpolation.
    """

    table: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    history: dict[KeyPath, list[tuple[Any, Origin]]] = field(default_factory=dict)
    used: dict[KeyPath, tuple[str, ...]] = field(default_factory=dict)

    # Part of a frozen Project: where its values came from does not make two of them differ.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layers)

    def __deepcopy__(self, _memo: object) -> Layers:
        return self

    def lay(self, value: Any, origin: Origin, path: KeyPath = ()) -> None:
        """Put `value` at `path`: a table is merged into the table there, key by key; anything else takes its place."""
        if isinstance(value, dict):
            if not isinstance(self.get(path), dict) or _is_other_source(path, value):
                self._put(path, {}, origin)
            self.origins.setdefault(path, origin)
            for key, item in value.items():
                self.lay(item, origin.below(key), (*path, key))
        else:
            self.history.setdefault(path, []).append((value, origin))
            self._put(path, value, origin)

    def get(self, path: KeyPath) -> Any:
        """The value at `path`, or None."""
        value: Any = self.table
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def origin(self, path: KeyPath) -> Origin | None:
        """Where the value at `path` was written; for one that was not, where it would be, in the table around it."""
        for length in range(len(path), -1, -1):
            known = self.origins.get(path[:length])
            if known:
                return known.below(*path[length:])
        return None

    def variables(self, path: KeyPath) -> tuple[str, ...]:
        """The variables that the value at `path`, or the list that it is in, was made of."""
        return next((self.used[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.used), ())

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
        """Every value that is no table, with its path."""
        value = self.get(path)
        if isinstance(value, dict):
            for key in value:
                yield from self.leaves((*path, key))
        else:
            yield path, value

    def replace(self, path: KeyPath, value: Any) -> None:
        """Another value at `path`, from the same place."""
        self.get(path[:-1])[path[-1]] = value

    def _put(self, path: KeyPath, value: Any, origin: Origin) -> None:
        if isinstance(self.get(path), dict):  # what a scalar replaces has no origin any more
            self.origins = {known: at for known, at in self.origins.items() if known[: len(path)] != path}
        self.origins[path] = origin
        if path:
            self.get(path[:-1])[path[-1]] = value


def _is_other_source(path: KeyPath, value: dict[str, Any]) -> bool:
    """Whether it says where a secret comes from: the keys of another source before it mean nothing any more."""
    return len(path) == 2 and path[0] == "secrets" and bool(value.keys() & {"env", "file", "sops", "command"})
