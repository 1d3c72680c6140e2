"""The pipes of a process: outputs read line by line as they come, bounded in memory, while its input is written."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

OnLine = Callable[[str, str], None]
"""Called with each line of output as it comes, without its end, and `stdout` or `stderr`."""
OnLines = Callable[[Sequence[str], str], None]
"""Called with the lines that came at once, without their ends, and `stdout` or `stderr`: for what may write a lot."""

_LONGEST_LINE = 65_536
_SLACK = 65_536
_LINGER = 0.3  # a daemon may hold the pipes open after the command's end: wait this long for its last words


def end_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the process's whole group, if anything of it is left."""
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(process.pid, number)


class Lines:
    """Cuts bytes into lines, many at a time, and keeps the last `keep` bytes of them."""

    def __init__(self, stream: str, on_lines: OnLines | None, keep: int) -> None:
        self._stream = stream
        self._on_lines = on_lines
        self._keep = keep
        self._rest = b""
        self._kept = bytearray()
        self.truncated = False

    def feed(self, data: bytes) -> None:
        self._keep_last(data)
        block, end, rest = data.rpartition(b"\n")
        if end:
            self._tell(self._rest + block)
            self._rest = rest
        else:
            self._rest += data
        while len(self._rest) > _LONGEST_LINE:
            self._tell(self._rest[:_LONGEST_LINE])
            self._rest = self._rest[_LONGEST_LINE:]

    def finish(self) -> None:
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def text(self) -> str:
        """The last `keep` bytes, from the first whole line of them on, if they hold a line's end."""
        kept = bytes(self._kept[len(self._kept) - self._keep :]) if len(self._kept) > self._keep else bytes(self._kept)
        if self.truncated:
            kept = kept.partition(b"\n")[2] or kept
        return kept.decode("utf-8", "replace")

    def _keep_last(self, data: bytes) -> None:
        self._kept += data
        over = len(self._kept) - self._keep
        if over > 0:
            self.truncated = True
        if over > _SLACK + self._keep // 4:  # not at each read: what stays is moved
            del self._kept[:over]

    def _tell(self, block: bytes) -> None:
        if self._on_lines is None:
            return
        lines = block.decode("utf-8", "replace").split("\n")
        if b"\r" in block:
            # A progress bar rewrites its line with carriage returns: what was left standing is the line.
            lines = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
        on_lines, self._on_lines = self._on_lines, None  # one that raises is not called again while we clean up
        on_lines(lines, self._stream)
        self._on_lines = on_lines


def one_by_one(on_line: OnLine) -> OnLines:
    """A function that takes lines singly, as one that takes them as they come."""

    def on_lines(lines: Sequence[str], stream: str) -> None:
        for line in lines:
            on_line(line, stream)

    return on_lines


class Pipes:
    """The three pipes of a process, served together so that neither side can block the other."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes | None, on_lines: OnLines | None, keep: int
    ) -> None:
        self._process = process
        self._selector = selectors.DefaultSelector()
        self._lines = {name: Lines(name, on_lines, keep) for name in ("stdout", "stderr")}
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
