"""The engine's API: found as the docker command finds it, with words for when it does not answer."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shiptasks.errors import Refused

if TYPE_CHECKING:
    from docker import DockerClient

TIMEOUT = 30.0  # seconds for one answer of the engine; a laptop that wakes up needs some


@contextmanager
def client(*, now: str, timeout: float = TIMEOUT) -> Iterator[DockerClient]:
    """The engine's API, found as the docker command finds it: DOCKER_HOST, else the context in use.

    `timeout` is in seconds, for one answer. Raises Refused, saying what to start or install, when it does not answer;
    `now` is what is true then.
    """
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    context = _context()
    # The SDK's annotations know whole seconds only; requests takes parts of them.
    seconds: Any = timeout
    try:
        if context is None:
            api = docker.from_env(timeout=seconds)
        else:
            api = docker.DockerClient(base_url=context.Host, tls=context.TLSConfig or False, timeout=seconds)
        api.ping()
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise no_engine(endpoint(), str(error), now) from error
    try:
        yield api
    finally:
        api.close()


def endpoint() -> str:
    """Where the engine is: DOCKER_HOST, else the endpoint of the docker context in use."""
    context = _context()
    return os.environ.get("DOCKER_HOST", "") if context is None else str(context.Host)


def no_engine(host: str, error: str, now: str) -> Refused:
    """What to tell when the engine does not answer."""
    given = os.environ.get("DOCKER_HOST")
    if "permission denied" in error.lower():
        what = "this user may not talk to the Docker engine"
        hint = "sudo usermod -aG docker $USER, then log in again"
    elif given:
        what, hint = "the Docker engine does not answer", f"DOCKER_HOST is {given}: correct it, or unset DOCKER_HOST"
    elif platform.system() == "Darwin":
        what, hint = "the Docker engine does not answer", "start Docker Desktop, OrbStack or Colima (colima start)"
    else:
        what = "the Docker engine does not answer"
        hint = "start it: sudo systemctl start docker (not installed: https://docs.docker.com/engine/install/)"
    return Refused(what, where=host, now=now, hint=hint)


def _context() -> Any:
    """The docker context in use; None where DOCKER_HOST decides, or nothing usable is chosen."""
    if os.environ.get("DOCKER_HOST"):
        return None
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        name = os.environ.get("DOCKER_CONTEXT")
        context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    except (DockerException, OSError, ValueError, KeyError):
        return None
    return context if context is not None and context.Host else None
