"""The collection that a repository's tasks.py calls `ns`: our tasks, and those that the repository defines itself."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from invoke.collection import Collection
from invoke.config import merge_dicts
from invoke.exceptions import Exit
from invoke.tasks import Task

AnyTask = Task[Any]

MODULES = ("check", "config", "build", "deploy", "verify")
"""Modules of shiptasks.tasks whose tasks every repository has."""


def own_tasks() -> dict[str, AnyTask]:
    """Every task of this package, by name."""
    found: dict[str, AnyTask] = {}
    for name in MODULES:
        if find_spec(f"shiptasks.tasks.{name}") is not None:
            module = import_module(f"shiptasks.tasks.{name}")
            found.update((each.name, each) for each in vars(module).values() if isinstance(each, Task))
    return found


class Namespace(Collection):
    """A collection that also holds the tasks of the module that made it, wherever in the module they are defined.

    invoke ignores a tasks file's own tasks once it has an `ns`. It reads `ns` when the whole file has run, and
    that is when this looks at what the file defined. A task of the file replaces ours of the same name.
    """

    def __init__(self, home: dict[str, Any], root: Path | None, extra: Iterable[Any]) -> None:
        self._ready = False  # while it is made or changed, it is what was put into it and nothing more
        super().__init__()
        self._home = home
        self._root = root
        self._ours: set[int] = set()
        for each in own_tasks().values():
            self._ours.add(id(each))
            self.add_task(each)
        for each in extra:
            self._add_object(each)
        self._ready = True

    @property
    def tasks(self) -> Any:
        if self._ready:
            with self._changing():
                self._adopt()
        return self._tasks

    @tasks.setter
    def tasks(self, value: Any) -> None:
        self._tasks = value

    @property
    def _configuration(self) -> dict[str, Any]:
        # The one thing that goes through invoke's configuration: where the repository is.
        return {**self._options, "shiptasks": {"root": str(self.root)}} if self._ready else self._options

    @_configuration.setter
    def _configuration(self, value: dict[str, Any]) -> None:
        self._options = value

    def configure(self, options: dict[str, Any]) -> None:
        merge_dicts(self._options, options)

    @property
    def root(self) -> Path:
        """The folder of the tasks file, or the parent of the tasks package."""
        if self._root is not None:
            return self._root
        for home in (*self._importers(), self._home):
            path = home.get("__file__")
            if path:
                file = Path(path).resolve()
                return file.parent.parent if file.name == "__init__.py" else file.parent
        return Path.cwd()

    def _importers(self) -> Iterator[Mapping[str, Any]]:
        """Globals of the modules that have this very object as their `ns`, such as by `import *`; the first is the
        tasks file itself."""
        for module in list(sys.modules.values()):
            if isinstance(module, ModuleType):
                names = vars(module)
                if names.get("ns") is self or names.get("namespace") is self:
                    yield names

    def add_task(self, *args: Any, **options: Any) -> None:
        with self._changing():
            super().add_task(*args, **options)

    def add_collection(self, *args: Any, **options: Any) -> None:
        with self._changing():
            super().add_collection(*args, **options)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        before, self._ready = self._ready, False
        try:
            yield
        finally:
            self._ready = before

    def _adopt(self) -> None:
        """Take in the tasks of the file that have no place yet."""
        held = {*self._ours, *(id(each) for each in self._tasks.values()), *_ids_below(self)}
        for home in (self._home, *self._importers()):
            for name, each in list(home.items()):
                if isinstance(each, Task) and not name.startswith("_") and id(each) not in held:
                    held.add(id(each))
                    self.add_task(each)
        self._resolve()

    def _resolve(self) -> None:
        """Put the tasks in the place of the names in `pre` and `post`."""
        for each in self._tasks.values():
            for attribute in ("pre", "post"):
                calls = getattr(each, attribute)
                if any(isinstance(call, str) for call in calls):
                    setattr(each, attribute, [self._named(call, each) for call in calls])

    def _named(self, call: Any, by: Any) -> Any:
        if not isinstance(call, str):
            return call
        name = self.transform(call)
        if name not in self._tasks:
            raise Exit(f"The task {by.name!r} runs with {call!r}, and there is no task of that name.", code=2)
        return self._tasks[name]

    def __deepcopy__(self, memo: dict[int, Any]) -> Collection:
        """A plain collection: invoke copies those that are part of another one."""
        plain = Collection()
        plain.__dict__.update(
            name=self.name,
            tasks=copy.deepcopy(self.tasks, memo),
            collections=copy.deepcopy(self.collections, memo),
            default=self.default,
            _configuration=copy.deepcopy(self._configuration, memo),
            loaded_from=self.loaded_from,
            auto_dash_names=self.auto_dash_names,
        )
        return plain


def _ids_below(collection: Collection) -> Iterator[int]:
    """Tasks that already have a place in a sub-collection."""
    for child in collection.collections.values():
        tasks = child._tasks if isinstance(child, Namespace) else child.tasks
        yield from (id(each) for each in tasks.values())
        yield from _ids_below(child)


def namespace(
    root: Path | str | None = None, *, extra: Iterable[Any] = (), _home: dict[str, Any] | None = None
) -> Namespace:
    """The tasks of a repository: `ns = shiptasks.namespace()` in its tasks.py is all that it takes.

    Tasks that the same file defines, before or after that line, are listed too, and replace ours of the same name.
    `extra` are further tasks, collections or modules (each a sub-collection). `root` is the repository; the folder of
    the file that calls this when left out.
    """
    home = sys._getframe(1).f_globals if _home is None else _home
    return Namespace(home, None if root is None else Path(root).resolve(), extra)
