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
from invoke.tasks import Call, Task

AnyTask = Task[Any]

MODULES = (
    "check",
    "build",
    "build_tags",
    "build_sizes",
    "deploy",
    "verify",
    "log",
    "config",
    "init",
    "doctor",
    "env",
    "tasks",
    "completion",
)
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

    def __init__(
        self, home: dict[str, Any], root: Path | None, ours: Mapping[str, AnyTask], prefix: str, extra: Iterable[Any]
    ) -> None:
        self._ready = False  # while it is made or changed, it is what was put into it and nothing more
        super().__init__()
        self._home = home
        self._root = root
        self._ours = {id(each): each for each in own_tasks().values()}
        self._put(ours, prefix)
        for each in extra:
            self._add_object(each)
        self._ready = True

    def _put(self, ours: Mapping[str, AnyTask], prefix: str) -> None:
        """Put our tasks here, or into a collection named `prefix`; those under another one beside it, as its parts."""
        place = self if not prefix else Collection(prefix)
        under = {name: getattr(each, "under", "") for name, each in ours.items()}
        parents = {parent for parent in under.values() if parent in ours}
        groups = {name: Collection(name) for name in parents}
        for name, each in ours.items():
            if name in groups:
                groups[name].add_task(each, default=True)
            elif under[name] in groups:
                groups[under[name]].add_task(each)
            else:
                place.add_task(each)
        for group in groups.values():
            place.add_collection(group)
        if prefix:
            self.add_collection(place)

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

    def add_task(self, task: Any, name: Any = None, *args: Any, **options: Any) -> None:
        with self._changing():
            wanted = self.transform(name or task.name)
            group = self.collections.get(wanted)
            if group is not None and id(group.tasks.get(wanted)) in self._ours:
                # Ours has parts below it (`config.schema`): the repository's takes its place, and they stay.
                del group.tasks[wanted]
                group.default = None
                group.add_task(task, name=wanted, default=True)
                return
            super().add_task(task, name, *args, **options)

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
        """Put tasks in the place of names in `pre` and `post`, and the repository's in the place of ours."""
        for each in self._tasks.values():
            for attribute in ("pre", "post"):
                calls = getattr(each, attribute)
                found = [self._named(call, each) for call in calls]
                if any(new is not old for new, old in zip(found, calls, strict=True)):
                    setattr(each, attribute, found)

    def _named(self, call: Any, by: Any) -> Any:
        if not isinstance(call, str):
            inner = call.task if isinstance(call, Call) else call
            override = self._tasks.get(self.transform(inner.name)) if id(inner) in self._ours else None
            if override is None or override is inner or override is by:
                return call
            return override if inner is call else call.__class__(override, *call.args, **call.kwargs)
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
    *extra: Any,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    prefix: str = "",
    root: Path | str | None = None,
    _home: dict[str, Any] | None = None,
) -> Namespace:
    """The tasks of a repository: `ns = shiptasks.namespace()` in its tasks.py is all that it takes.

    Tasks that the same file defines, before or after that line, are listed too, and replace ours of the same name.
    `extra` are further tasks, collections or modules (each a sub-collection). Of ours only `include` are there when it
    is given, without `exclude`; `prefix="ship"` makes them `inv ship.deploy`. `root` is the repository; the folder of
    the file that calls this when left out. Ends with exit code 2 for a name in `include` or `exclude` that is none.
    """
    home = sys._getframe(1).f_globals if _home is None else _home
    every = own_tasks()
    wanted = _known(every, include, "include") if include is not None else set(every)
    wanted -= _known(every, exclude, "exclude")
    ours = {name: each for name, each in every.items() if name in wanted}
    return Namespace(home, None if root is None else Path(root).resolve(), ours, prefix, extra)


def _known(every: Mapping[str, AnyTask], names: Iterable[str], word: str) -> set[str]:
    given = {names} if isinstance(names, str) else set(names)
    for name in sorted(given - set(every)):
        from shiptasks.config.suggest import did_you_mean

        hint = did_you_mean(name, every) or f"the tasks are: {', '.join(every)}"
        raise Exit(f"namespace({word}=…): shiptasks has no task {name!r}; {hint}", code=2)
    return given


def collection_of(root: Path) -> Collection | None:
    """The tasks of the repository at `root`, as its tasks file presents them; None where none is loaded."""
    plain: Collection | None = None
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        if not path or root not in Path(path).resolve().parents[:2]:
            continue
        names = vars(module)
        for name in ("ns", "namespace"):
            found = names.get(name)
            if isinstance(found, Collection):
                return found
        if any(isinstance(each, Task) for each in names.values()) and Path(path).stem in ("tasks", "__init__"):
            plain = Collection.from_module(module)
    return plain


def flat(collection: Collection) -> dict[str, AnyTask]:
    """Every task of a collection by the name that `inv` takes; a default one by the name of its collection."""
    found: dict[str, AnyTask] = {}
    for name, each in collection.tasks.items():
        found[name] = each
    for name, child in collection.collections.items():
        for below, each in flat(child).items():
            found[name if below == child.default else f"{name}.{below}"] = each
    return found


def tasks_of(c: Any) -> dict[str, AnyTask]:
    """Every task of the repository that a task's context belongs to, by the name that `inv` takes; ours without one."""
    from shiptasks.tasks._task import root_of

    collection = collection_of(root_of(c))
    return flat(collection) if collection is not None else own_tasks()


def call(c: Any, name: str, **arguments: Any) -> Any:
    """Call the task of that name as this repository has it: its own where it replaces ours.

    Raises UsageError for a name that no task has, and whatever the task raises.
    """
    tasks = tasks_of(c)
    if name not in tasks:
        from shiptasks.config.suggest import did_you_mean
        from shiptasks.errors import UsageError

        hint = did_you_mean(name, tasks) or "inv --list shows the tasks"
        raise UsageError(f"there is no task {name!r}", now="nothing was run", hint=hint)
    return tasks[name](c, **arguments)
