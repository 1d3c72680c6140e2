"""The pipes of a process: outputs read line by line as they come, bounded in memory, while its input is written."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO

OnLine = Callable[[str, str], None]
"""Called with each line of output as it comes, without its end, and `stdout` or `stderr`."""

_LONGEST_LINE = 65_536
_LINGER = 0.3  # a daemon may hold the pipes open after the command's end: wait this long for its last words


def end_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the process's whole group, if anything of it is left."""
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(process.pid, number)


class Lines:
    """Cuts bytes into lines without ever copying what came before, and keeps the last `keep` bytes of them."""

    def __init__(self, stream: str, on_line: OnLine | None, keep: int) -> None:
        self._stream = stream
        self._on_line = on_line
        self._keep = keep
        self._rest = b""
        self._lines: deque[bytes] = deque()
        self._size = 0
        self.truncated = False

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._add(line, b"\n")
        while len(self._rest) > _LONGEST_LINE:
            self._add(self._rest[:_LONGEST_LINE], b"")
            self._rest = self._rest[_LONGEST_LINE:]

    def finish(self) -> None:
        if self._rest:
            self._add(self._rest, b"")
            self._rest = b""

    def text(self) -> str:
        """The lines that were kept, and what has come of the next one."""
        return b"".join((*self._lines, self._rest)).decode("utf-8", "replace")

    def _add(self, line: bytes, end: bytes) -> None:
        self._lines.append(line + end)
        self._size += len(line) + len(end)
        while self._size > self._keep:
            self._size -= len(self._lines.popleft())
            self.truncated = True
        if self._on_line:
            # A progress bar rewrites its line with carriage returns: what was left standing is the line.
            shown_last = line.rstrip(b"\r").rpartition(b"\r")[2]
            on_line, self._on_line = self._on_line, None  # one that raises is not called again while we clean up
            on_line(shown_last.decode("utf-8", "replace"), self._stream)
            self._on_line = on_line


class Pipes:
    """The three pipes of a process, served together so that neither side can block the other."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes | None, on_line: OnLine | None, keep: int
    ) -> None:
        self._process = process
        self._selector = selectors.DefaultSelector()
        self._lines = {name: Lines(name, on_line, keep) for name in ("stdout", "stderr")}
        self._to_write = memoryview(stdin or b"")
        self._ended_at: float | None = None
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            self._register(pipe, selectors.EVENT_READ, name)
        if process.stdin is not None:
            self._register(process.stdin, selectors.EVENT_WRITE, "stdin")

    def _register(self, pipe: IO[bytes] | None, event: int, name: str) -> None:
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, event, name)

    def pump(self, seconds: float) -> None:
        """Serve the pipes once, waiting at most so long."""
        if not self._selector.get_map():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return
        self._serve(seconds)

    def drain(self) -> None:
        """Read what is in the pipes by now: an ended process may have left its last words there."""
        until = time.monotonic() + _LINGER
        while self._selector.get_map() and self._serve(0) and time.monotonic() < until:
            pass

    def _serve(self, seconds: float) -> bool:
        """Serve the pipes that are ready; False when none was."""
        ready = self._selector.select(seconds)
        for key, _ in ready:
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
            if key.data == "stdin":
                self._write(pipe)
            else:
                self._read(pipe, key.data)
        return bool(ready)

    def finished(self) -> bool:
        """True when the process has ended and its output has been read."""
        if self._process.poll() is None:
            return False
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            end_group(self._process, signal.SIGTERM)  # what it left in the background
        reading = [key for key in self._selector.get_map().values() if key.data != "stdin"]
        return not reading or time.monotonic() - self._ended_at > _LINGER

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            sent = os.write(pipe.fileno(), self._to_write[:_LONGEST_LINE]) if self._to_write else 0
        except BlockingIOError:
            return
        except OSError:  # it does not want to read on: no error of ours
            self._to_write = memoryview(b"")
            sent = 0
        self._to_write = self._to_write[sent:]
        if not self._to_write:
            self._forget(pipe)

    def _read(self, pipe: IO[bytes], name: str) -> None:
        try:
            data = os.read(pipe.fileno(), _LONGEST_LINE)
        except BlockingIOError:
            return
        if data:
            self._lines[name].feed(data)
        else:
            self._lines[name].finish()
            self._forget(pipe)

    def _forget(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        pipe.close()

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            self._forget(key.fileobj)  # type: ignore[arg-type]
        self._selector.close()
        for lines in self._lines.values():
            lines.finish()

    def text(self, name: str) -> str:
        """What was kept of `stdout` or `stderr`."""
        return self._lines[name].text()

    @property
    def truncated(self) -> bool:
        return any(lines.truncated for lines in self._lines.values())
