"""The same work on several hosts, side by side: bounded, results in host order, interrupted as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from shiptasks.errors import Refused, ShiptasksError
from shiptasks.hosts.base import Host, HostError

T = TypeVar("T")
H = TypeVar("H", bound=Host)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of one host: a value, an error, or neither when its turn never came."""

    host: Host
    value: T | None = None
    error: Exception | None = None
    ran: bool = True


def each(
    hosts: Sequence[H], act: Callable[[H], T], *, at_once: int = 16, keep_going: bool = True
) -> tuple[Outcome[T], ...]:
    """Run `act` on every host, at most `at_once` side by side; one outcome a host, in the order of `hosts`.

    An error on one host never stops another in its work. `keep_going=False` begins on no further host after the
    first error; those are told as not run. On KeyboardInterrupt the scripts that run are ended on all hosts, and it
    is raised again once every thread has returned.
    """
    if at_once < 1:
        raise ValueError("at_once must be at least 1")
    if not hosts:
        return ()
    stopped = False

    def one(host: H) -> Outcome[T]:
        nonlocal stopped
        if stopped:
            return Outcome(host, ran=False)
        try:
            return Outcome(host, act(host))
        except Exception as error:
            stopped = stopped or not keep_going
            return Outcome(host, error=error)

    with ThreadPoolExecutor(min(at_once, len(hosts)), thread_name_prefix="host") as pool:
        futures: list[Future[Outcome[T]]] = []
        try:
            futures.extend(pool.submit(one, host) for host in hosts)
            wait(futures)
        except BaseException:
            stopped = True
            _cancel(hosts, futures)
            raise
    return tuple(future.result() for future in futures)


def _cancel(hosts: Sequence[Host], futures: Sequence[Future[Outcome[T]]]) -> None:
    """End what runs until every thread has returned; again and again, as a thread may be between two scripts."""
    while wait(futures, timeout=0.05).not_done:
        for host in hosts:
            host.cancel()


def values(outcomes: Sequence[Outcome[T]]) -> tuple[T, ...]:
    """The value of every host, in order. Raises when any failed: its own error if it is the only host, else one that
    tells how it went on each: Refused where all that failed were refused, HostError otherwise."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not failed:
        return tuple(outcome.value for outcome in outcomes)  # type: ignore[misc]  # every one ran and has a value
    first = failed[0].error
    if len(outcomes) == 1 and first is not None:
        raise first
    kind = Refused if all(isinstance(outcome.error, Refused) for outcome in failed) else HostError
    raise kind(
        f"it failed on {len(failed)} of {len(outcomes)} hosts",
        where=", ".join(outcome.host.name for outcome in failed),
        hint=first.hint if isinstance(first, ShiptasksError) else "",
        details=tuple(line for outcome in outcomes for line in _told(outcome)),
    ) from first


def _told(outcome: Outcome[T]) -> tuple[str, ...]:
    name = outcome.host.name
    if not outcome.ran:
        return (f"{name}: not begun",)
    if outcome.error is None:
        return (f"{name}: done",)
    details = outcome.error.details if isinstance(outcome.error, ShiptasksError) else ()
    return (f"{name}: {outcome.error}", *(f"  {line}" for line in details))
