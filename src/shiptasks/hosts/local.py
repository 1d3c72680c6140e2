"""This machine as a host: a local `sh -s` in a process group of its own, no SSH."""

from __future__ import annotations

import contextlib
import hashlib
import os
import selectors
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from shiptasks.hosts.base import HostError, Session
from shiptasks.hosts.scripts import check_put, ending
from shiptasks.hosts.session import ShellEnded, ShellSession

_CHUNK = 1 << 16


class LocalHost:
    """The machine that this program runs on. Scripts inherit its environment and current folder."""

    name = "local"
    is_local = True

    def __init__(self) -> None:
        self._sessions: list[ShellSession] = []
        self._lock = threading.Lock()

    def session(self) -> Session:
        session = _LocalSession(_Process(), self.name)
        with self._lock:
            self._sessions = [*(known for known in self._sessions if not known.ended), session]
        return session

    def cancel(self) -> None:
        for session in tuple(self._sessions):
            if session.running:
                session.cancel()

    def close(self) -> None:
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()


class _LocalSession(ShellSession):
    def put(self, data: bytes, path: str, *, mode: int = 0o644) -> None:
        check_put(path, mode)
        try:
            _replace(data, Path(path), mode)
        except OSError as error:
            raise HostError(
                f"could not write {path} on local: {error.strerror or error}",
                where="local",
                now="the file is as it was before",
            ) from error


def _replace(data: bytes, path: Path, mode: int) -> None:
    if path.is_dir():
        raise OSError("it is a folder")
    handle, name = tempfile.mkstemp(prefix=".shiptasks.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if hashlib.sha256(temporary.read_bytes()).digest() != hashlib.sha256(data).digest():
            raise OSError("the checksum differs from what was written")
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class _Process:
    """The wire to a local shell."""

    def __init__(self) -> None:
        try:
            self._shell = subprocess.Popen(
                ["sh", "-s"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise HostError(f"could not start a shell on this machine: {error}", where="local") from error
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        assert self._shell.stderr is not None
        self._stdin = self._shell.stdin.fileno()
        self._stdout = self._shell.stdout.fileno()
        self._stderr = self._shell.stderr.fileno()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._stdin, False)
        self._reads = selectors.DefaultSelector()
        for stream in (self._stdout, self._stderr, self._woken):
            self._reads.register(stream, selectors.EVENT_READ)
        self._closed = False
        self._lock = threading.Lock()

    def send(self, data: bytes, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        rest = memoryview(data)
        with selectors.DefaultSelector() as writes:
            writes.register(self._stdin, selectors.EVENT_WRITE)
            while rest:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not writes.select(left):
                    raise TimeoutError
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self._stdin, rest[:_CHUNK]) :]

    def receive(self, timeout: float | None) -> tuple[bytes, bytes]:
        ready = {key.fd for key, _ in self._reads.select(timeout)}
        if not ready:
            raise TimeoutError
        got = {stream: os.read(stream, _CHUNK) for stream in (self._stdout, self._stderr) if stream in ready}
        for stream, data in got.items():
            if not data:
                self._reads.unregister(stream)
        if not any(got.values()) and (self._woken in ready or len(self._reads.get_map()) == 1):
            raise ShellEnded("the shell ended")
        return got.get(self._stdout, b""), got.get(self._stderr, b"")

    def end(self, group: int) -> None:
        subprocess.run(["sh", "-c", ending(group)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        self._shell.poll()

    def wake(self) -> None:
        with self._lock:
            if not self._closed:
                os.write(self._waker, b".")

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self.end(self._shell.pid)
        finally:
            self._reads.close()
            for stream in (self._shell.stdin, self._shell.stdout, self._shell.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            os.close(self._woken)
            os.close(self._waker)
