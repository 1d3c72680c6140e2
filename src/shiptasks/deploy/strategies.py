"""Strategies: pure functions from the old set and the new set to the order in which containers change places.

A strategy knows nothing of hosts, proxies or Compose. docs/strategies.md tells people which to choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Move = Literal["start", "route", "drain", "stop"]


@dataclass(frozen=True)
class Moves:
    """One move, made by some containers together. `start` includes the wait until they are healthy."""

    move: Move
    containers: tuple[str, ...]


def rolling(old: Sequence[str], new: Sequence[str], *, batch: int, routed: bool, stop_first: bool) -> Iterator[Moves]:
    """Batch by batch: start new, route to them, drain old, stop old; `stop_first` turns each batch around.

    Without an old set there is nobody to be careful of: all new containers start at once. Old containers beyond the
    number of new ones leave with the last batch.
    """
    if not old:
        batch = len(new)
    size = max(batch, 1)
    count = max(-(-len(new) // size), 1)
    for number in range(count):
        fresh = tuple(new[number * size : (number + 1) * size])
        stale = tuple(old[number * size :] if number == count - 1 else old[number * size : (number + 1) * size])
        arrive = _moves(("start", "route") if routed else ("start",), fresh)
        leave = _moves(("drain", "stop") if routed else ("stop",), stale)
        yield from (*leave, *arrive) if stop_first else (*arrive, *leave)


def _moves(moves: tuple[Move, ...], containers: tuple[str, ...]) -> tuple[Moves, ...]:
    return tuple(Moves(move, containers) for move in moves) if containers else ()
