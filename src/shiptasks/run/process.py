"""Processes on this machine: streamed line by line, bounded in memory, ended with everything that they started."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shiptasks.errors import Failed, Interrupted, UsageError

OnLine = Callable[[str, str], None]
"""Called with each line of output as it comes, without its end, and `stdout` or `stderr`."""

GRACE = 5.0
"""Seconds between asking a process group to end and killing it."""
KEEP = 4_000_000
"""Bytes kept of each stream unless told otherwise: enough for any answer that is parsed."""

_LONGEST_LINE = 65_536
_TICK = 0.1
_LINGER = 0.3  # a daemon may hold the pipes open after the command's end: wait this long for its last words

# What makes a command a matter for a shell: operators, expansions, assignments, and words that only a shell knows.
_SHELL_SYNTAX = re.compile(r"[|&;<>()$`\n*?\[\]{}~#]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SHELL_WORDS = frozenset({"!", ".", ":", "cd", "eval", "exec", "exit", "export", "set", "source", "ulimit", "umask"})

stop_requested: ContextVar[threading.Event | None] = ContextVar("stop_requested", default=None)
"""Set by the graph for the steps that it runs: when it is set, their processes are ended."""


class ProcessTimeout(Failed):
    """A process ran longer than it may; its whole group has been ended."""


class NotInstalled(Failed):
    """The command does not exist on this machine; nothing was run."""


@dataclass(frozen=True)
class Result:
    """What a process did. `stdout` and `stderr` are the last `keep` bytes; `truncated` says that there was more."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    truncated: bool = False

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    def tail(self, count: int = 30) -> tuple[str, ...]:
        """The last lines of stderr, or of stdout where stderr is empty."""
        lines = self.stderr.splitlines() or self.stdout.splitlines()
        return tuple(lines[-count:])


def command_line(text: str) -> tuple[str, ...]:
    """The argv of a command that a user wrote in the configuration.

    Without shell syntax it runs directly; with it, by bash, where a failure anywhere in a pipe is a failure.
    Raises UsageError when a quote is not closed or nothing is there.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the command {text!r} cannot be read: {error}") from None
    if not words:
        raise UsageError("a command is empty")
    if _SHELL_SYNTAX.search(text) or _ASSIGNMENT.match(words[0]) or words[0] in _SHELL_WORDS:
        return ("bash", "-o", "pipefail", "-c", text)
    return tuple(words)


def run(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    check: bool = True,
    on_line: OnLine | None = None,
    keep: int = KEEP,
    hint: str = "",
    grace: float = GRACE,
) -> Result:
    """Run a command to its end, in a session and process group of its own.

    `env` is the whole environment (this process's when None). Standard input is empty unless `stdin` is given; secrets
    go there, never into `argv`. `timeout` and `grace` in seconds. `on_line` sees every line; only the last `keep`
    bytes of each stream stay in memory. `hint` says how to install the command. When the command has ended, or has
    been given up for whatever reason, nothing of its group is left.

    Raises NotInstalled, ProcessTimeout, Interrupted when the graph stops its steps, and Failed when `check` and the
    exit code is not 0.
    """
    if isinstance(argv, str) or not argv:
        raise TypeError("argv is a list of words; for a user's command string see command_line()")
    began = time.monotonic()
    process = _spawn(argv, cwd, env, stdin is not None, hint)
    streams = _Streams(process, stdin, on_line, keep)
    stop = stop_requested.get()
    deadline = None if timeout is None else began + timeout
    try:
        while not streams.finished():
            if deadline is not None and time.monotonic() >= deadline:
                _end(process, streams, grace)
                raise ProcessTimeout(
                    f"`{shown(argv)}` did not end within {timeout:g} seconds", details=streams.result(argv, 0).tail()
                )
            if stop is not None and stop.is_set():
                _end(process, streams, grace)
                raise Interrupted(f"`{shown(argv)}` was stopped")
            streams.pump(_TICK)
    except BaseException:
        _end(process, streams, grace)
        raise
    finally:
        _kill_group(process, signal.SIGKILL)
        process.wait()
        streams.close()
    result = streams.result(argv, time.monotonic() - began)
    if check and not result.ok:
        raise Failed(f"`{shown(argv)}` {ending(result.exit_code)}", details=result.tail())
    return result


def shown(argv: Sequence[str]) -> str:
    """A command as a person would type it, shortened when it is very long."""
    is_bash = tuple(argv[:4]) == ("bash", "-o", "pipefail", "-c")
    text = argv[4] if is_bash else shlex.join(argv)
    return text if len(text) <= 200 else f"{text[:199]}…"


def ending(exit_code: int) -> str:
    """How a process ended, in words."""
    if exit_code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-exit_code).name}"
    return f"failed with exit code {exit_code}"


def _spawn(
    argv: Sequence[str], cwd: Path | str, env: Mapping[str, str] | None, with_stdin: bool, hint: str
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        if not Path(cwd).is_dir():
            raise Failed(f"the folder {cwd} does not exist", where=shown(argv)) from None
        if isinstance(error, FileNotFoundError):
            raise NotInstalled(
                f"the command {argv[0]!r} was not found",
                now="nothing was run",
                hint=hint or f"install {argv[0]!r}, or put its folder on PATH",
            ) from None
        raise Failed(f"`{shown(argv)}` could not be started: {error.strerror}", now="nothing was run") from None


def _kill_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(process.pid, number)


def _end(process: subprocess.Popen[bytes], streams: _Streams, grace: float) -> None:
    """Ask the group to end, read on meanwhile (it may be blocked on a full pipe), then kill what is left."""
    if process.poll() is None:
        _kill_group(process, signal.SIGTERM)
        until = time.monotonic() + grace
        while process.poll() is None and time.monotonic() < until:
            streams.pump(_TICK)
    _kill_group(process, signal.SIGKILL)
    process.wait()


class _Lines:
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
        return b"".join(self._lines).decode("utf-8", "replace")

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


class _Streams:
    """The three pipes of a process, served together so that neither side can block the other."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes | None, on_line: OnLine | None, keep: int
    ) -> None:
        self._process = process
        self._selector = selectors.DefaultSelector()
        self._lines = {name: _Lines(name, on_line, keep) for name in ("stdout", "stderr")}
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
        for key, _ in self._selector.select(seconds):
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
            if key.data == "stdin":
                self._write(pipe)
            else:
                self._read(pipe, key.data)

    def finished(self) -> bool:
        """True when the process has ended and its output has been read."""
        if self._process.poll() is None:
            return False
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            _kill_group(self._process, signal.SIGTERM)  # what it left in the background
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

    def result(self, argv: Sequence[str], seconds: float) -> Result:
        out, err = self._lines["stdout"], self._lines["stderr"]
        out.finish()
        err.finish()
        code = self._process.returncode if self._process.returncode is not None else -1
        return Result(tuple(argv), code, out.text(), err.text(), seconds, out.truncated or err.truncated)
