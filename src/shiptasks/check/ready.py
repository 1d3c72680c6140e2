"""When a container for tests is ready: its health command succeeds, and its port answers from here."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from shiptasks.errors import Failed, Interrupted
from shiptasks.run.process import current_stop
from shiptasks.run.text import clean

T = TypeVar("T")

_PAUSE = 0.1  # seconds between two looks
_SILENT = 0.2  # seconds: who keeps a connection so long without a word from us is the server itself
_LOG_LINES = 20
_PROBE_LINES = 5
_NO_COMMAND = (126, 127)


@dataclass(frozen=True)
class Begun:
    """A container that was started: what it is called in the configuration, and how to see that it is ready."""

    id: str
    name: str
    image: str
    address: tuple[str, int]
    """Where its port is reached from here."""
    health: tuple[str, ...]
    """Empty: as the image's own healthcheck says, else when the port answers."""
    ready: float
    """Seconds that it may take."""
    secret: str
    """Its password, which no message shows."""


def until_ready(api: Any, begun: Begun) -> None:
    """Wait. Raises Failed when it ends, or is not ready in time; Interrupted when the graph stops its steps."""
    deadline = time.monotonic() + begun.ready
    while True:
        info = api.inspect_container(begun.id)
        state = info["State"]
        if not state["Running"]:
            raise _ended(api, begun, state)
        passed, said = _healthy(api, begun, state, deadline)
        if passed and _answers(begun.address, thorough=not begun.health):
            return
        if time.monotonic() >= deadline:
            raise _late(api, begun, passed, said)
        check_stop(f"starting {begun.name}")
        time.sleep(_PAUSE)


def check_stop(what: str) -> None:
    """Raise Interrupted when the graph stops the step that runs here."""
    stop = current_stop.get()
    if stop is not None and stop.is_set():
        raise Interrupted(f"{what} was stopped")


def aside(function: Callable[[], T], meanwhile: Callable[[], None]) -> T:
    """What `function` returns or raises. `meanwhile` is called while it runs, and gives it up by raising.

    Only for what may be left to end by itself, as an answer that nobody waits for any more.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    while not wait([future], timeout=_PAUSE).done:
        meanwhile()
    return future.result()


def log_lines(api: Any, container: str, secret: str) -> tuple[str, ...]:
    """The last lines that a container wrote."""
    text = api.logs(container, stdout=True, stderr=True, tail=_LOG_LINES).decode("utf-8", "replace")
    return tuple(clean(line) for line in text.replace(secret, "***").splitlines())


def _healthy(api: Any, begun: Begun, state: dict[str, Any], deadline: float) -> tuple[bool, tuple[str, ...]]:
    """Whether it says that it is well, and what the probe said."""
    if not begun.health:
        own = state.get("Health")
        if not own:
            return True, ()
        last = (own.get("Log") or [{}])[-1].get("Output", "")
        return own["Status"] == "healthy", tuple(clean(line) for line in last.splitlines()[-_PROBE_LINES:])

    def meanwhile() -> None:
        check_stop(f"starting {begun.name}")
        if time.monotonic() >= deadline:
            raise TimeoutError

    try:
        code, output = aside(lambda: _probe(api, begun), meanwhile)
    except TimeoutError:
        return False, ("the health command did not end",)
    said = tuple(clean(line) for line in output.replace(begun.secret, "***").splitlines()[-_PROBE_LINES:])
    if code in _NO_COMMAND:
        raise Failed(
            f"the health command of the container {begun.name} cannot be run in {begun.image}",
            now="it was removed",
            hint=f"correct `health` of [tool.shiptasks.containers.{begun.name}]",
            details=said,
        )
    return code == 0, said


def _probe(api: Any, begun: Begun) -> tuple[int, str]:
    from docker.errors import APIError

    try:
        probe = api.exec_create(begun.id, list(begun.health))["Id"]
        output = api.exec_start(probe)
        code = api.exec_inspect(probe)["ExitCode"]
    except APIError as error:
        # It has just ended, which the next look tells; or an engine that says so at once when there is no such program.
        missing = "executable file not found" in str(error)
        return (_NO_COMMAND[1] if missing else 1), str(error.explanation or error)
    return (1 if code is None else code), output.decode("utf-8", "replace")


def _answers(address: tuple[str, int], *, thorough: bool) -> bool:
    """Whether a connection can be made. The engine's own proxy takes any, and drops it when nothing listens behind
    it: a thorough look waits for that."""
    try:
        with socket.create_connection(address, timeout=1) as connection:
            if not thorough:
                return True
            heard, _, _ = select.select([connection], [], [], _SILENT)
            return not heard or bool(connection.recv(1))
    except OSError:
        return False


def _ended(api: Any, begun: Begun, state: dict[str, Any]) -> Failed:
    how = "was killed for want of memory" if state.get("OOMKilled") else f"ended with exit code {state['ExitCode']}"
    return Failed(
        f"the container {begun.name} {how} before it was ready",
        where=begun.image,
        now="it was removed",
        hint=f"`env` and `command` of [tool.shiptasks.containers.{begun.name}]",
        details=log_lines(api, begun.id, begun.secret),
    )


def _late(api: Any, begun: Begun, healthy: bool, said: tuple[str, ...]) -> Failed:
    log = log_lines(api, begun.id, begun.secret)
    if healthy and begun.health:
        host, port = begun.address
        return Failed(
            f"the container {begun.name} is ready, but cannot be reached from here: {host}:{port}",
            where=begun.image,
            now="it was removed",
            hint="inside a container, run it in the host's network, or let DOCKER_HOST name the engine's host",
        )
    return Failed(
        f"the container {begun.name} was not ready within {begun.ready:g} s",
        where=begun.image,
        now="it was removed",
        hint=f"`health` and `ready` of [tool.shiptasks.containers.{begun.name}]",
        details=(*said, *log),
    )
