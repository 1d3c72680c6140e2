"""Is there an engine to build with, and what can it do? Looked at before anything is built."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shiptasks.errors import Refused
from shiptasks.run import engine

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
    def by_digest(self) -> bool:
        """Whether the builder can push an image without a tag; that of the engine cannot."""
        return self.driver != "docker"

    @property
    def raw_json(self) -> bool:
        """Whether buildx can tell its progress as JSON."""
        return self.buildx >= (0, 13)


@contextmanager
def client() -> Iterator[DockerClient]:
    """The engine's API. Raises Refused, saying what to start or install, when it does not answer."""
    with engine.client(now=_NOTHING, timeout=_TIMEOUT) as api:
        yield api


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
    buildx, driver = _buildx(root), _driver(root)
    store = any("io.containerd.snapshotter" in str(value) for _, value in info.get("DriverStatus") or ())
    return Engine(
        version=str(info.get("ServerVersion", "")),
        host=engine.endpoint(),
        containerd_store=store,
        buildx=buildx,
        driver=driver,
    )


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
