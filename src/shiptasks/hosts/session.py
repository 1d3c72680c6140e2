"""A session: scripts run one after another in one kept-open shell, over any duplex byte stream.

The protocol is in frame.py; what carries the bytes (a local process, an SSH channel) is a `Wire`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from shiptasks.hosts import frame as frames
from shiptasks.hosts.base import Cancelled, HostError, OnLine, Result, ScriptFailed, StepTimeout, quote
from shiptasks.hosts.scripts import check_put, finish_put, start_put

_INLINE = 64 * 1024
_LAST_LINES = 20
_GROUP_WAIT = 2.0

Upload = Callable[[bytes, str], bool]
"""Writes the bytes to an existing file by another way than the shell; False when the host has none, or OSError."""


class Wire(Protocol):
    """The two-way stream to a `sh -s` that leads its own process group."""

    def send(self, data: bytes, timeout: float | None) -> None:
        """Write all of it. Raises TimeoutError, and OSError when the other end is gone."""

    def receive(self, timeout: float | None) -> tuple[bytes, bytes]:
        """What came on standard output and error. Raises TimeoutError, and EOFError at the end or once woken."""

    def end(self, group: int) -> None:
        """End the process group by `scripts.ending`; returns when it is gone. Raises HostError when it cannot."""

    def wake(self) -> None:
        """Make `receive`, now or later, raise EOFError. From any thread."""

    def close(self) -> None:
        """Let the shell end, and whatever its scripts left in its process group. Does not wait for a network."""


class ShellEnded(EOFError):
    """The shell ended while the way to it is still there: what a wire raises at the end of its output."""


class _Lost(Exception):
    """The wire broke, for the reason that is its cause."""


class ShellSession:
    """A `Session` over a wire. Used by one thread at a time, except for `cancel`, `close` and `running`."""

    def __init__(self, wire: Wire, host: str, upload: Upload | None = None) -> None:
        self._wire = wire
        self._host = host
        self._upload = upload
        self._group: int | None = None
        self._group_known = threading.Event()
        self._ended = ""
        self._cancelled = False
        self._running = False
        self._lock = threading.Lock()

    def run(
        self,
        script: str,
        *,
        stdin: bytes | None = None,
        timeout: float | None = None,
        check: bool = True,
        on_line: OnLine | None = None,
    ) -> Result:
        return self._checked(self._run(frames.build(script, stdin=stdin), timeout, on_line), check)

    def eval_here(self, script: str, *, timeout: float | None = None, check: bool = True) -> Result:
        return self._checked(self._run(frames.build(script, here=True), timeout, None), check)

    def put(self, data: bytes, path: str, *, mode: int = 0o644) -> None:
        check_put(path, mode)
        try:
            if len(data) > _INLINE and self._upload is not None:
                self._put_by(self._upload, data, path, mode)
            else:
                self.run(start_put(path) + 'cat >"$t" || exit\n' + finish_put(data, path, mode), stdin=data)
        except ScriptFailed as error:
            raise HostError(
                f"could not write {path} on {self._host}",
                where=self._host,
                now="the file is as it was before",
                details=error.details,
            ) from error

    def _put_by(self, upload: Upload, data: bytes, path: str, mode: int) -> None:
        temporary = self.run(start_put(path) + "trap - EXIT; printf '%s.' \"$t\"").stdout[:-1]
        kept = f"t={quote(temporary)}\ntrap 'rm -f -- \"$t\"' EXIT\n"
        try:
            sent = upload(data, temporary)
        except BaseException as error:
            with contextlib.suppress(HostError):
                self.run(kept, check=False, timeout=10)
            if isinstance(error, OSError):
                raise HostError(
                    f"could not write {path} on {self._host}: {error}",
                    where=self._host,
                    now="the file is as it was before",
                ) from error
            raise
        if sent:
            self.run(kept + finish_put(data, path, mode))
        else:
            self.run(kept + 'cat >"$t" || exit\n' + finish_put(data, path, mode), stdin=data)

    @property
    def running(self) -> bool:
        return self._running

    @property
    def ended(self) -> bool:
        """True when no script can be run any more."""
        return bool(self._ended)

    def cancel(self) -> None:
        with self._lock:
            if self._ended:
                return
            self._cancelled = True
            self._ended = "it was cancelled"
        if not self._running:
            self._wire.close()
            return
        try:
            if self._group_known.wait(_GROUP_WAIT) and self._group is not None:
                self._wire.end(self._group)
        finally:
            self._wire.wake()

    def close(self) -> None:
        if self._running:
            self.cancel()
            return
        with self._lock:
            if self._ended:
                return
            self._ended = "it was closed"
        self._wire.close()

    def __enter__(self) -> ShellSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, frame: frames.Frame, timeout: float | None, on_line: OnLine | None) -> Result:
        with self._lock:
            if self._ended:
                raise HostError(f"the session on {self._host} cannot be used any more: {self._ended}", where=self._host)
            self._running = True
        began = time.monotonic()
        out = frames.Stream(frame, _lines(on_line, "stdout"), self._led_by)
        err = frames.Stream(frame, _lines(on_line, "stderr"))
        try:
            self._exchange(frame.text, out, err, None if timeout is None else began + timeout)
        except _Lost as lost:
            raise self._lost(out, err, lost) from None
        except TimeoutError:
            self._abandon("a script ran into its timeout", out, err)
            raise StepTimeout(
                f"a script on {self._host} did not end within {timeout:g} s",
                where=self._host,
                now="it has been ended, with everything that it had started",
                details=_last_lines(err.text or out.text),
            ) from None
        except BaseException as error:
            self._abandon(f"a script was interrupted ({type(error).__name__})", out, err)
            raise
        finally:
            self._running = False
        return Result(int(out.tail or -1), out.text, err.text, time.monotonic() - began)

    def _exchange(self, text: bytes, out: frames.Stream, err: frames.Stream, deadline: float | None) -> None:
        try:
            self._wire.send(text, _left(deadline))
        except TimeoutError:
            raise
        except OSError as error:
            raise self._drain(out, err) or _Lost(error) from None
        while out.tail is None or err.tail is None:
            self._receive(out, err, _left(deadline))

    def _receive(self, out: frames.Stream, err: frames.Stream, timeout: float | None) -> None:
        try:
            stdout, stderr = self._wire.receive(timeout)
        except TimeoutError:
            raise
        except (EOFError, OSError) as error:
            raise _Lost(error) from None
        try:
            # A listener's own errors pass through as they are: they are not the wire's.
            out.feed(stdout)
            err.feed(stderr)
        except TimeoutError as error:
            raise RuntimeError("on_line raised TimeoutError") from error

    def _led_by(self, shell: str) -> None:
        self._group = int(shell)
        self._group_known.set()

    def _drain(self, out: frames.Stream, err: frames.Stream) -> _Lost | None:
        """Take what the other end still said before it went away; it tells why."""
        try:
            while True:
                self._receive(out, err, 0.5)
        except _Lost as lost:
            return lost
        except TimeoutError:
            return None

    def _abandon(self, why: str, out: frames.Stream, err: frames.Stream) -> None:
        with self._lock:
            ended, self._ended = self._ended, self._ended or why
        if ended:
            self._wire.close()
            return
        try:
            until = time.monotonic() + _GROUP_WAIT
            while self._group is None and time.monotonic() < until:
                self._receive(out, err, _left(until))
        except (_Lost, TimeoutError):
            pass
        try:
            if self._group is not None:
                self._wire.end(self._group)
        finally:
            self._wire.close()

    def _lost(self, out: frames.Stream, err: frames.Stream, lost: _Lost) -> HostError:
        with self._lock:
            self._ended = self._ended or "the connection was lost"
        self._wire.close()
        if self._cancelled:
            return Cancelled(f"a script on {self._host} was cancelled", where=self._host)
        if self._group is None and isinstance(lost.args[0], ShellEnded):
            return HostError(
                f"no shell answered on {self._host}",
                where=self._host,
                hint="its login shell must be able to run `exec sh -s`",
                details=_last_lines(err.noise + out.noise),
            )
        reason = f" ({lost})" if str(lost) else ""
        return HostError(
            f"the connection to {self._host} was lost while a script ran{reason}",
            where=self._host,
            now="what the script had begun may be unfinished there, or still running",
            details=_last_lines(err.text or out.text),
        )

    def _checked(self, result: Result, check: bool) -> Result:
        if check and not result.ok:
            raise ScriptFailed(
                f"a script on {self._host} ended with exit code {result.exit_code}",
                where=self._host,
                result=result,
                details=_last_lines(result.stderr if result.stderr.strip() else result.stdout),
            )
        return result


def _lines(on_line: OnLine | None, stream: str) -> Callable[[str], None] | None:
    if on_line is None:
        return None
    return lambda line: on_line(line, stream)


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _last_lines(text: str) -> tuple[str, ...]:
    return tuple(text.strip("\n").split("\n")[-_LAST_LINES:]) if text.strip() else ()
