"""Processes on this machine: streamed line by line, bounded in memory, ended with everything that they started."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from shiptasks.errors import Failed, Interrupted, UsageError
from shiptasks.run.pipes import OnLine, OnLines, Pipes, end_group, one_by_one

GRACE = 5.0
"""Seconds between asking a process group to end and killing it."""
KEEP = 4_000_000
"""Bytes kept of each stream unless told otherwise: enough for any answer that is parsed."""

_TICK = 0.1

# What makes a command a matter for a shell: operators, expansions, assignments, and words that only a shell knows.
_SHELL_SYNTAX = re.compile(r"[|&;<>()$`\n*?\[\]{}~#]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SHELL_WORDS = frozenset({"!", ".", ":", "cd", "eval", "exec", "exit", "export", "set", "source", "ulimit", "umask"})


class Stop:
    """A wish that steps end: their processes are ended when it, or the one around it, is set."""

    def __init__(self, around: Stop | None = None) -> None:
        self._around = around
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set() or (self._around is not None and self._around.is_set())


current_stop: ContextVar[Stop | None] = ContextVar("current_stop", default=None)
"""What ends the processes of the step that runs in this context; the graph sets it."""


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
    on_lines: OnLines | None = None,
    keep: int = KEEP,
    hint: str = "",
    grace: float = GRACE,
) -> Result:
    """Run a command to its end, in a session and process group of its own.

    `env` is the whole environment (this process's when None). Standard input is empty unless `stdin` is given; secrets
    go there, never into `argv`. `timeout` and `grace` in seconds. `on_line` sees every line; instead of
    it, `on_lines` sees those that came at once, which is faster. Only the last `keep` bytes of each stream stay in
    memory. `hint` says how to install the command. When the command has ended, or has been given up for whatever
    reason, nothing of its group is left.

    Raises NotInstalled, ProcessTimeout, Interrupted when the graph stops its steps, and Failed when `check` and the
    exit code is not 0.
    """
    if isinstance(argv, str) or not argv:
        raise TypeError("argv is a list of words; for a user's command string see command_line()")
    began = time.monotonic()
    process = _spawn(argv, cwd, env, stdin is not None, hint)
    pipes = Pipes(process, stdin, on_lines if on_line is None else one_by_one(on_line), keep)
    stop = current_stop.get()
    deadline = None if timeout is None else began + timeout
    try:
        while not pipes.finished():
            if deadline is not None and time.monotonic() >= deadline:
                _end(process, pipes, grace)
                raise ProcessTimeout(
                    f"`{shown(argv)}` did not end within {timeout:g} seconds",
                    details=_result(argv, process, pipes, time.monotonic() - began).tail(),
                )
            if stop is not None and stop.is_set():
                raise Interrupted(f"`{shown(argv)}` was stopped")
            pipes.pump(_TICK)
    except BaseException:
        _end(process, pipes, grace)
        raise
    finally:
        end_group(process, signal.SIGKILL)
        process.wait()
        pipes.close()
    result = _result(argv, process, pipes, time.monotonic() - began)
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


def _result(argv: Sequence[str], process: subprocess.Popen[bytes], pipes: Pipes, seconds: float) -> Result:
    stdout, stderr = pipes.text("stdout"), pipes.text("stderr")
    return Result(tuple(argv), process.returncode, stdout, stderr, seconds, pipes.truncated)


def _end(process: subprocess.Popen[bytes], pipes: Pipes, grace: float) -> None:
    """Ask the group to end, read on meanwhile (it may be blocked on a full pipe), then kill what is left."""
    if process.poll() is None:
        end_group(process, signal.SIGTERM)
        until = time.monotonic() + grace
        while process.poll() is None and time.monotonic() < until:
            pipes.pump(_TICK)
    end_group(process, signal.SIGKILL)
    process.wait()
    pipes.drain()
