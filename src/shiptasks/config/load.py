"""pyproject.toml, the environment's overlay, the local file and the process environment become one `Project`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shiptasks.config.choose import unknown_environment
from shiptasks.config.clashes import clashes
from shiptasks.config.given import Given, from_flags, from_variables
from shiptasks.config.interpolate import interpolate
from shiptasks.config.layers import Layers, Origin
from shiptasks.config.model import OVERLAY, Project
from shiptasks.config.plaintext import plain_secrets
from shiptasks.config.problems import Problem, problems_of, refusal
from shiptasks.config.references import references
from shiptasks.config.source import NOTHING_RAN, Source, read, shown
from shiptasks.config.suggest import did_you_mean
from shiptasks.errors import UsageError

FILE = "pyproject.toml"
LOCAL_FILE = "shiptasks.local.toml"
TABLE = ("tool", "shiptasks")


def find_root(start: Path) -> Path:
    """The nearest folder, from `start` upwards, whose pyproject.toml has a table `[tool.shiptasks]`.

    In a repository whose parts have a pyproject.toml of their own that is the repository, not the part. Where none
    has the table it is the nearest with a pyproject.toml, for `load` to say what is missing. The search ends at the
    top of a git repository. Raises UsageError when there is no pyproject.toml.
    """
    nearest: Path | None = None
    here = Path(os.path.abspath(start))  # noqa: PTH100 - resolve() follows links, and fails on a loop of them
    for folder in (here, *here.parents):
        path = folder / FILE
        if os.path.lexists(path):
            nearest = nearest or folder
            if _is_ours(path):
                return folder
        if nearest and os.path.lexists(folder / ".git"):
            break
    if nearest is None:
        raise UsageError(
            "there is no pyproject.toml",
            where=f"looked in {here} and in every folder above it",
            now=NOTHING_RAN,
            hint="create pyproject.toml in the folder of your repository, with at least these lines",
            details=_minimum(here),
        )
    return nearest


def load(
    root: Path, environment: str = "", *, environ: Mapping[str, str] = os.environ, flags: Sequence[str] = ()
) -> Project:
    """The configuration of the repository at `root`, with the overlay of `environment` (empty: none) applied.

    Later wins: pyproject.toml, the environment's tables in it, shiptasks.local.toml, the environment's tables there,
    `SHIPTASKS_*` variables, `flags` (each `KEY=VALUE`). The overlays of all environments are checked, whichever is
    chosen. Raises UsageError with every problem at once, each with its place.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - as in find_root
    sources = _sources(root)
    problems: list[Problem] = []
    names = _environment_names(sources)
    given = _given(sources, environ, flags, problems)
    projects, layers = {}, {}
    for name in ("", *names):
        layers[name] = _lay(sources, given, name, problems)
        projects[name] = _project(layers[name], environ, problems)
    problems.extend(clashes(projects, layers))
    problems.extend(references(projects[""], layers[""]))
    if problems:
        raise refusal(problems)
    chosen = projects.get(environment) if environment in names or not environment else None
    if chosen is None:
        raise unknown_environment(environment, tuple(names), where=shown(root / FILE))
    return chosen.located(root, environment, layers[environment])


def _given(
    sources: list[Source], environ: Mapping[str, str], flags: Sequence[str], problems: list[Problem]
) -> list[Given]:
    """What variables and flags say, against what the files define."""
    files = Layers()
    for source in sources:
        files.lay(source.table, Origin(source, ()))
    given = from_variables(environ, files.table, problems) + from_flags(flags, files.table, problems)
    for table, origin in given:
        files.lay(table, origin)
    return given


def _sources(root: Path) -> list[Source]:
    path = root / FILE
    if not os.path.lexists(path):
        raise UsageError(
            "there is no pyproject.toml",
            where=shown(root),
            now=NOTHING_RAN,
            hint="create it, with at least these lines",
            details=_minimum(root),
        )
    pyproject = read(path, TABLE)
    if pyproject.table is None:
        raise UsageError(
            "pyproject.toml has no table [tool.shiptasks]",
            where=shown(path),
            now=NOTHING_RAN,
            hint="add at least these lines to it",
            details=_minimum(root),
        )
    if not isinstance(pyproject.table, dict):
        raise refusal([Problem(Origin(pyproject, ()), "expected one table [tool.shiptasks]")])
    local = root / LOCAL_FILE
    return [pyproject, read(local)] if os.path.lexists(local) else [pyproject]


def _environments(table: Any) -> dict[str, Any]:
    environments = table.get("environments") if isinstance(table, dict) else None
    return environments if isinstance(environments, dict) else {}


def _environment_names(sources: list[Source]) -> list[str]:
    return list(dict.fromkeys(name for source in sources for name in _environments(source.table)))


def _lay(sources: list[Source], given: list[Given], environment: str, problems: list[Problem]) -> Layers:
    """All sources, one over the other, for one environment; without any overlay when it is empty."""
    layers = Layers()
    services = {name for source in sources for name in _table(_table(source.table).get("services"))}
    everything = [(source.table, Origin(source, ())) for source in sources] + given
    for table, origin in everything:
        layers.lay(_without_overlays(table), origin)
        overlay = _table(_environments(table).get(environment))
        at = origin.below("environments", environment)
        for key in (key for key in OVERLAY if key in overlay):
            value = overlay[key]
            if key == "services" and isinstance(value, dict):
                value = {name: service for name, service in value.items() if name in services}
                for name in overlay[key].keys() - services:
                    problems.append(_nobodys_service(at.below(key, name), name, services))
            layers.lay(value, at.below(key), (key,))
    return layers


def _nobodys_service(origin: Origin, name: str, services: set[str]) -> Problem:
    said = "an environment changes services that `[tool.shiptasks.services]` defines, and this is none of them"
    hint = did_you_mean(name, services) or (f"the services are: {', '.join(sorted(services))}" if services else "")
    return Problem(origin, said, hint, at_key=True)


def _without_overlays(table: Any) -> Any:
    """The table with only the environments' own keys in them."""
    if not _environments(table):
        return table
    own = {
        name: {key: value for key, value in environment.items() if key not in OVERLAY}
        if isinstance(environment, dict)
        else environment
        for name, environment in _environments(table).items()
    }
    return {**table, "environments": own}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _project(layers: Layers, environ: Mapping[str, str], problems: list[Problem]) -> Project | None:
    before = len(problems)
    problems.extend(plain_secrets(layers))
    problems.extend(Problem(layers.origin(path), what) for path, what in interpolate(layers, environ))
    if len(problems) > before:
        return None
    try:
        return Project.model_validate(layers.table)
    except ValidationError as error:
        problems.extend(problems_of(error, layers))
        return None


def _is_ours(path: Path) -> bool:
    """Whether the file has our table, or may have: one that cannot be read is for `load` to speak about."""
    try:
        if b"shiptasks" not in path.read_bytes():
            return False
        return read(path, TABLE).table is not None
    except (OSError, UsageError):
        return True


def _minimum(folder: Path) -> tuple[str, ...]:
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:40].strip("-") or "shop"
    return ("[tool.shiptasks]", f'project = "{name}"', 'services.app.context = "."')
