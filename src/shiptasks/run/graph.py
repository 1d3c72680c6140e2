"""Independent steps side by side: results in the order given, and nothing left running when it ends."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shiptasks.run.process import Stop, current_stop

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of one function: a value, an error, or neither when it was never started."""

    value: T | None = None
    error: Exception | None = None
    started: bool = True

    @property
    def ok(self) -> bool:
        return self.started and self.error is None


def side_by_side(
    functions: Sequence[Callable[[], T]], *, jobs: int = 0, keep_going: bool = False
) -> tuple[Outcome[T], ...]:
    """Call every function, at most `jobs` at a time (0: one for each processor); outcomes in the order given.

    Unless `keep_going`, the first error stops the others: their local processes are ended, those that wait are not
    started. An interrupt does the same and is raised when all have ended.
    """
    if not functions:
        return ()
    from concurrent.futures import ThreadPoolExecutor, wait

    stop = Stop(current_stop.get())

    def call(function: Callable[[], T]) -> Outcome[T]:
        if stop.is_set():
            return Outcome(started=False)
        try:
            return Outcome(value=function())
        except Exception as error:
            if not keep_going:
                stop.set()
            return Outcome(error=error)

    def in_context(function: Callable[[], T]) -> Outcome[T]:
        current_stop.set(stop)
        return call(function)

    pool = ThreadPoolExecutor(max_workers=min(jobs or os.cpu_count() or 1, len(functions)))
    try:
        futures = [pool.submit(contextvars.copy_context().run, in_context, function) for function in functions]
        wait(futures)
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(wait=True)
    return tuple(future.result() for future in futures)
