"""The order in which stages can begin: waves, each of what waits only for the waves before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter

from shiptasks.check.plan import Stage


def waves(stages: Sequence[Stage]) -> Iterator[tuple[Stage, ...]]:
    """The stages, those of one wave in the order of the plan. They hold no cycle: the configuration was checked."""
    by_id = {stage.id: stage for stage in stages}
    sorter = TopologicalSorter({stage.id: stage.needs for stage in stages})
    sorter.prepare()
    while sorter.is_active():
        ready = set(sorter.get_ready())
        yield tuple(stage for key, stage in by_id.items() if key in ready)
        sorter.done(*ready)
