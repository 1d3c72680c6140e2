"""Names in the stages of a check that stand for something else: services, containers, and the stages that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

from shiptasks.config.layers import Layers
from shiptasks.config.locate import KeyPath
from shiptasks.config.model import Project
from shiptasks.config.problems import Problem
from shiptasks.config.suggest import did_you_mean

EVERY = "*"


def references(project: Project | None, layers: Layers) -> Iterator[Problem]:
    """A problem for each name that nothing has, and for stages that wait for each other."""
    if project is None:
        return
    kinds = {"lint": project.lint, "test": project.test, "bundles": project.bundles}
    stages = {f"{kind}.{name}": stage for kind, table in kinds.items() for name, stage in table.items()}

    def missing(
        at: KeyPath, words: Iterable[str], what: str, known: Iterable[str], others: tuple[str, ...] = ()
    ) -> Iterator[Problem]:
        known = sorted(known)
        for index, word in enumerate(words):
            if word not in known and word not in others:
                said = f"there is no {what} named {word!r}"
                hint = did_you_mean(word, known) or (f"expected one of {', '.join(known)}" if known else "")
                yield Problem(layers.origin((*at, index)), said, hint)

    groups = tuple(kind for kind, table in kinds.items() if table)
    for key, stage in stages.items():
        at = tuple(key.split(".", 1))
        services = getattr(stage, "services", ())
        yield from missing((*at, "services"), services, "service", project.services, (EVERY,))
        containers = getattr(stage, "containers", ())
        yield from missing((*at, "containers"), containers, "container", project.containers)
        yield from missing((*at, "needs"), stage.needs, "stage", stages, groups)
    services_of_coverage = project.coverage.services
    for name in services_of_coverage:
        if name not in project.services:
            said = f"there is no service named {name!r}"
            yield Problem(layers.origin(("coverage", "services", name)), said, did_you_mean(name, project.services))
    yield from _cycle({key: expanded(stage.needs, stages) for key, stage in stages.items()}, layers)


def expanded(needs: Iterable[str], stages: Iterable[str]) -> tuple[str, ...]:
    """The stages, by their names in the configuration, that are meant: `lint` is all whose names begin so."""
    known = tuple(stages)
    found = [each for need in needs for each in known if each == need or each.startswith(f"{need}.")]
    return tuple(dict.fromkeys(found))


def _cycle(needs: dict[str, tuple[str, ...]], layers: Layers) -> Iterator[Problem]:
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        round_ = list(reversed(error.args[1]))
        at = (*round_[0].split(".", 1), "needs")
        yield Problem(layers.origin(at), f"these wait for each other: {' -> '.join(round_)}", "take one of them out")
