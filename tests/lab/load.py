"""Load for zero-downtime claims: a bounded stream of requests that counts every one that was not answered well.

Runs as a process of its own, so that what it measures does not slow it. `Load` starts it and asks it for the figures
of the time since the last question. Anything but the expected status counts as failed: a refused or broken
connection, a time-out, a 5xx, an empty answer. Nothing is retried.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

_TIMEOUT = 10.0
_REQUESTS_A_CONNECTION = 200  # then it is closed, so that new connections are part of the load all the time


@dataclass
class Figures:
    """What happened since the last question."""

    seconds: float = 0.0
    served: int = 0
    failed: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    """Seconds of the slowest answer."""

    @property
    def rate(self) -> float:
        return self.served / self.seconds if self.seconds else 0.0


class Load:
    """A running load on `http://host:port`. At most `seconds` long and `rate` requests a second, all together.

    `paths` are asked in turn; an entry may be `POST /path {json}`.
    """

    def __init__(
        self,
        base: str,
        paths: tuple[str, ...],
        *,
        rate: float = 400,
        connections: int = 16,
        seconds: float = 300,
    ) -> None:
        argv = [sys.executable, __file__, base, "--rate", str(rate), "--connections", str(connections)]
        argv += ["--seconds", str(seconds), *(f"--path={path}" for path in paths)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def figures(self) -> Figures:
        """What happened since the last call, or since the start."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Figures(**json.loads(self._process.stdout.readline()))

    def stop(self) -> None:
        """End it; it ends by itself when its time is over or this process is gone."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Load:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Counting:
    def __init__(self) -> None:
        self.began = time.monotonic()
        self.figures = Figures()
        self.versions: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def served(self, seconds: float, version: str) -> None:
        self.figures.served += 1
        self.figures.slowest = max(self.figures.slowest, seconds)
        if version:
            self.versions[version] += 1

    def failed(self, reason: str) -> None:
        self.figures.failed += 1
        self.errors[reason[:120]] += 1

    def take(self) -> str:
        figures, self.figures = self.figures, Figures()
        figures.seconds, self.began = time.monotonic() - self.began, time.monotonic()
        figures.versions, self.versions = dict(self.versions), Counter()
        figures.errors, self.errors = dict(self.errors), Counter()
        return json.dumps(figures.__dict__)


class _Client:
    """One keep-alive connection after another, as a browser or a service would hold them."""

    def __init__(self, host: str, port: int, counting: _Counting) -> None:
        self._host, self._port = host, port
        self._counting = counting
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0

    async def ask(self, path: str) -> None:
        began = time.monotonic()
        try:
            status, body = await asyncio.wait_for(self._exchange(path), _TIMEOUT)
        except Exception as error:
            self._drop()
            self._counting.failed(f"{path.split(' {')[0]}: {type(error).__name__} {error}".strip())
            return
        if status not in (200, 201):
            self._counting.failed(f"{path.split(' {')[0]}: status {status}")
            return
        version = ""
        if b'"version"' in body[:400]:
            with contextlib.suppress(ValueError, AttributeError):
                version = str(json.loads(body).get("version", ""))
        self._counting.served(time.monotonic() - began, version)

    async def _exchange(self, path: str) -> tuple[int, bytes]:
        method, payload = "GET", b""
        if path.startswith("POST "):
            method, path, text = path.split(" ", 2)
            payload = text.encode()
        if self._stream is None:
            self._stream = await asyncio.open_connection(self._host, self._port)
            self._used = 0
        reader, writer = self._stream
        self._used += 1
        last = self._used >= _REQUESTS_A_CONNECTION
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: */*\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n" if payload else ""
        head += "Connection: close\r\n" if last else ""
        writer.write(head.encode() + b"\r\n" + payload)
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(b" ", 2)[1])
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in answer.split(b"\r\n")[1:] if line)
        }
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            body = b""
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readuntil(b"\r\n")
        else:
            body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        if last or headers.get(b"connection", b"").lower() == b"close":
            self._drop()
        return status, body

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream[1].close()
            self._stream = None


async def _run(base: str, paths: list[str], rate: float, connections: int, seconds: float) -> None:
    host, _, port = base.removeprefix("http://").rstrip("/").partition(":")
    counting = _Counting()
    end = time.monotonic() + seconds
    asked = 0

    async def worker(number: int) -> None:
        nonlocal asked
        client = _Client(host, int(port or 80), counting)
        due = time.monotonic() + number / rate
        while (now := time.monotonic()) < end:
            if now < due:
                await asyncio.sleep(due - now)
            # After a stall the pace goes on from here: no burst to catch up.
            due = max(due, time.monotonic() - 0.05) + connections / rate
            asked += 1
            await client.ask(paths[asked % len(paths)])

    async def answer() -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.readline():
            print(counting.take(), flush=True)

    workers = [asyncio.create_task(worker(number)) for number in range(connections)]
    asking = asyncio.create_task(answer())
    await asyncio.wait([asking], timeout=seconds + _TIMEOUT)
    for task in (asking, *workers):
        task.cancel()
    await asyncio.gather(asking, *workers, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("--path", action="append", required=True)
    parser.add_argument("--rate", type=float, default=400)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_run(given.base, given.path, given.rate, given.connections, given.seconds))


if __name__ == "__main__":
    main()
