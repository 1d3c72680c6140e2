"""Is there an engine to build with, and what can it do? Looked at before anything is built."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiptasks.errors import Refused

if TYPE_CHECKING:
    from docker import DockerClient

_NOTHING = "nothing was built"
_TIMEOUT = 30  # seconds for one answer of the engine; a laptop that wakes up needs some


@dataclass(frozen=True)
class Engine:
    """An engine that answers, with a builder. `buildx` is its version; `driver` is that of the builder in use."""

    version: str
    host: str
    containerd_store: bool
    buildx: tuple[int, int]
    driver: str

    @property
    def registry_cache(self) -> bool:
        """Whether the builder can keep its cache in a registry."""
        return self.driver != "docker" or self.containerd_store

    @property
    def raw_json(self) -> bool:
        """Whether buildx can tell its progress as JSON."""
        return self.buildx >= (0, 13)


@contextmanager
def client() -> Iterator[DockerClient]:
    """The engine's API, found as the docker command finds it: DOCKER_HOST, else the context in use.

    Raises Refused, saying what to start or install, when it does not answer.
    """
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    context = _context()
    try:
        if context is None:
            api = docker.from_env(timeout=_TIMEOUT)
        else:
            api = docker.DockerClient(base_url=context.Host, tls=context.TLSConfig or False, timeout=_TIMEOUT)
        api.ping()
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise no_engine(endpoint(), str(error)) from error
    try:
        yield api
    finally:
        api.close()


def endpoint() -> str:
    """Where the engine is: DOCKER_HOST, else the endpoint of the docker context in use."""
    context = _context()
    return os.environ.get("DOCKER_HOST", "") if context is None else str(context.Host)


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


def preflight(root: Path) -> Engine:
    """The engine and its builder. Raises Refused when the engine, the docker command or buildx is not there."""
    if shutil.which("docker") is None:
        raise Refused(
            "the docker command was not found",
            now=_NOTHING,
            hint="install it: https://docs.docker.com/engine/install/ "
            "(Debian, Ubuntu: apt-get install docker.io docker-buildx)",
        )
    with client() as api:
        info = api.info()
    buildx = _buildx(root)
    store = any("io.containerd.snapshotter" in str(value) for _, value in info.get("DriverStatus") or ())
    return Engine(
        version=str(info.get("ServerVersion", "")),
        host=endpoint(),
        containerd_store=store,
        buildx=buildx,
        driver=_driver(root),
    )


def no_engine(host: str, error: str) -> Refused:
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
    return Refused(what, where=host, now=_NOTHING, hint=hint)


def _buildx(root: Path) -> tuple[int, int]:
    from shiptasks.run.process import run

    result = run(["docker", "buildx", "version"], cwd=root, check=False, timeout=_TIMEOUT)
    match = re.search(r"\bv?(\d+)\.(\d+)\.\d+", result.stdout) if result.ok else None
    if match is None:
        raise Refused(
            "the docker command has no buildx plugin",
            now=_NOTHING,
            hint="install it: apt-get install docker-buildx-plugin (Docker's packages) "
            "or docker-buildx (Debian, Ubuntu), brew install docker-buildx (macOS)",
            details=result.tail(3),
        )
    return int(match[1]), int(match[2])


def _driver(root: Path) -> str:
    from shiptasks.run.process import run

    result = run(["docker", "buildx", "inspect"], cwd=root, check=False, timeout=_TIMEOUT)
    match = re.search(r"^Driver:\s*(\S+)", result.stdout, re.MULTILINE)
    if not result.ok or match is None:
        raise Refused(
            "buildx has no builder that works",
            now=_NOTHING,
            hint="docker buildx ls shows them; docker buildx use default takes the engine's own",
            details=result.tail(5),
        )
    return match[1]
