"""What the integration tests are written with: the shop's processes, and patience."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import psycopg
import pytest
import redis

ROOT = Path(__file__).parents[1]


def eventually(answer: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until `answer` returns something true; an exception counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            last = answer()
            if last:
                return
        except (psycopg.Error, redis.RedisError, httpx.HTTPError) as error:
            last = error
        if time.monotonic() >= deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s; last answer: {last!r}")
        time.sleep(0.05)


def alembic(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT / "api",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Process:
    """One of the shop's processes, with its output in a file that a failing test shows."""

    def __init__(self, module: str, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT / module.removeprefix("shop_"),
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def end(self) -> None:
        if self.alive:
            self._process.kill()
            self._process.wait(10)
        print(self.log.name, self.log.read_text(), sep="\n")
