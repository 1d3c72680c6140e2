"""Which services a repository builds: from its Compose file, else from its Dockerfiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from shiptasks.onboard.composefile import ComposeService
from shiptasks.onboard.look import Dockerfile, Repository
from shiptasks.onboard.names import name_of, unique

_PRODUCTION = {"prod", "production", "release"}
_OTHER_USE = {
    "dev",
    "devel",
    "development",
    "test",
    "tests",
    "testing",
    "ci",
    "debug",
    "local",
    "lint",
    "base",
    "builder",
}
_OTHER_FOLDERS = {"test", "tests", "testdata", "fixtures", "example", "examples", "sample", "samples", "docs", "doc"}
_OTHER_FOLDERS |= {"benchmarks", "third_party", "ci", "e2e"}


@dataclass(frozen=True)
class Found:
    """A service. What is not known is None or empty."""

    name: str
    context: str
    dockerfile: str = ""
    """Empty for the one of the context."""
    target: str = ""
    port: int | None = None
    port_from: str = ""
    """Where the port was read."""
    health: str = ""
    health_from: str = ""
    called: str = ""
    """How the Compose file calls it, where that is no name for us."""
    doubt: str = ""
    """Why it may be no service at all: then it is proposed as a comment."""
    hindrances: tuple[str, ...] = ()


def services(found: Repository) -> list[Found]:
    """The services, each name once."""
    used: set[str] = set()
    built = found.compose.services if found.compose else ()
    file = found.compose.path if found.compose else None
    if not built:  # images only, or no such file: another one may say what is built
        other = next((each for each in found.others if each.services), None)
        built, file = (other.services, other.path) if other else ((), None)
    if built and file is not None:
        recipes = {str(each.path): each for each in found.dockerfiles}
        return [_of_compose(each, str(file), recipes, used) for each in built]
    return list(_of_dockerfiles(found, used))


def _of_compose(each: ComposeService, file: str, recipes: dict[str, Dockerfile], used: set[str]) -> Found:
    path = each.dockerfile or str(PurePosixPath(each.context) / "Dockerfile")
    recipe = recipes.get(path)
    port, health = each.port, each.health
    name = unique(name_of(each.name), used)
    return Found(
        name=name,
        context=each.context,
        dockerfile="" if PurePosixPath(path) == PurePosixPath(each.context) / "Dockerfile" else path,
        target=each.target,
        port=port or (recipe.recipe.port if recipe else None),
        port_from=file if port else "EXPOSE",
        health=health or (recipe.recipe.health if recipe else ""),
        health_from=file if health else "HEALTHCHECK",
        called="" if name == each.name else each.name,
        hindrances=each.hindrances,
    )


def _of_dockerfiles(found: Repository, used: set[str]) -> Iterator[Found]:
    kinds = [(each, _kind(each)) for each in found.dockerfiles]
    for_production = {each.path.parent for each, kind in kinds if kind in _PRODUCTION}
    sure: list[tuple[Dockerfile, str, str]] = []
    unsure: list[tuple[Dockerfile, str, str]] = []
    for each, kind in kinds:
        doubt = ""
        if kind in _OTHER_USE or _OTHER_FOLDERS & {part.lower() for part in each.path.parent.parts}:
            doubt = "it does not look like one for production"
        elif not kind and each.path.parent in for_production:
            doubt = "another one beside it is for production"
        (unsure if doubt else sure).append((each, kind, doubt))
    for each, kind, doubt in (*sure, *unsure):
        folder = each.path.parent
        own = kind if kind and kind not in _PRODUCTION else folder.name or found.name
        yield Found(
            name=unique(name_of(own), used),
            context="." if each.from_root else str(folder),
            dockerfile="" if each.path.name == "Dockerfile" and not each.from_root else str(each.path),
            port=each.recipe.port,
            port_from="EXPOSE",
            health=each.recipe.health,
            health_from="HEALTHCHECK",
            doubt=doubt,
        )


def _kind(each: Dockerfile) -> str:
    """`worker` of Dockerfile.worker and worker.Dockerfile; empty for Dockerfile."""
    stem, _, suffix = each.path.name.partition(".")
    return (stem if suffix == "Dockerfile" else suffix).lower()
