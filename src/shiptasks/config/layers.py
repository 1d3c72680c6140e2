"""Configuration laid over configuration: tables merge, everything else is replaced, and each part knows its origin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shiptasks.config.locate import KeyPath
from shiptasks.config.source import Source


@dataclass(frozen=True)
class Origin:
    """Where a value was written: at `path` of a file's table, or in an environment variable."""

    source: Source | None
    path: KeyPath
    variable: str = ""


@dataclass
class Layers:
    """Tables laid one over the other: the result, and where each part of it came from."""

    table: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)

    def lay(self, value: Any, origin: Origin, path: KeyPath = ()) -> None:
        """Put `value` at `path`: a table is merged into the table there, key by key; anything else takes its place."""
        if isinstance(value, dict):
            if not isinstance(self.get(path), dict):
                self._put(path, {}, origin)
            self.origins.setdefault(path, origin)
            for key, item in value.items():
                self.lay(item, Origin(origin.source, (*origin.path, key), origin.variable), (*path, key))
        else:
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
                return Origin(known.source, (*known.path, *path[length:]), known.variable)
        return None

    def _put(self, path: KeyPath, value: Any, origin: Origin) -> None:
        if isinstance(self.get(path), dict):  # what a scalar replaces has no origin any more
            self.origins = {known: at for known, at in self.origins.items() if known[: len(path)] != path}
        self.origins[path] = origin
        if path:
            self.get(path[:-1])[path[-1]] = value
