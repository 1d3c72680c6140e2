"""A host over SSH: one connection, and on it a channel for each session."""

from __future__ import annotations

import contextlib
import threading
import time

from paramiko import Channel, SSHException, Transport

from shiptasks.hosts.base import HostError, Session
from shiptasks.hosts.connection import StrictConnection
from shiptasks.hosts.scripts import ending
from shiptasks.hosts.session import ShellEnded, ShellSession
from shiptasks.hosts.settings import Target

_CHUNK = 1 << 20
_ENDING_WAIT = 10.0
# The shell ignores the signal that it sends to its own process group, and ends by itself.
_GOODBYE = b"trap '' TERM; kill -s TERM -- -$$; exit\n"


class SshHost:
    """A machine that is reached by Fabric's SSH. Connects when the first session is opened, and again after a loss."""

    is_local = False

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection: StrictConnection | None = None
        self._sessions: list[ShellSession] = []
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._target.name

    def session(self) -> Session:
        with self._lock:
            if self._connection is None or not self._connection.is_connected:
                if self._connection is not None:
                    self._connection.close()
                self._connection = _opened(self._target)
            transport: Transport = self._connection.transport
        session = ShellSession(_ChannelWire(self._target, transport), self.name, _Upload(transport))
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
            connection, self._connection = self._connection, None
        for session in sessions:
            session.close()
        if connection is not None:
            connection.close()


def _opened(target: Target) -> StrictConnection:
    connection = StrictConnection(target)
    connection.open()
    return connection


class _Upload:
    """Writes a file by SFTP, in a channel of its own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(self, data: bytes, path: str) -> bool:
        try:
            sftp = self._transport.open_sftp_client()
        except (SSHException, EOFError):
            return False  # the host allows no SFTP, or no second channel
        if sftp is None:
            return False
        try:
            with sftp, sftp.open(path, "wb") as file:
                file.set_pipelined(True)
                file.write(data)
        except (SSHException, EOFError, OSError) as error:
            raise OSError(str(error) or "the connection was lost") from error
        return True


class _ChannelWire:
    """The wire to a shell on the host."""

    def __init__(self, target: Target, transport: Transport) -> None:
        self._target = target
        self._transport = transport
        try:
            self._channel = transport.open_session(timeout=target.connect_timeout)
            self._channel.exec_command("exec sh -s")
        except (SSHException, EOFError, OSError) as error:
            raise HostError(
                f"{target.name} opened no session: {error or 'the connection was closed'}",
                where=target.name,
                hint="`MaxSessions` of its sshd may be too low, or the account may not run commands",
            ) from error
        # Set by paramiko when something came; its own file descriptor for this can lose a wake-up between two streams.
        self._news = threading.Event()
        self._woken = False
        self._channel.in_buffer.set_event(self._news)
        self._channel.in_stderr_buffer.set_event(self._news)

    def send(self, data: bytes, timeout: float | None) -> None:
        self._channel.settimeout(timeout)
        try:
            self._channel.sendall(data)
        except (SSHException, EOFError) as error:
            raise BrokenPipeError(str(error) or "the connection was closed") from error

    def receive(self, timeout: float | None) -> tuple[bytes, bytes]:
        deadline = None if timeout is None else time.monotonic() + timeout
        channel = self._channel
        while True:
            over = channel.eof_received or channel.closed
            out = channel.recv(_CHUNK) if channel.recv_ready() else b""
            err = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
            if out or err:
                return out, err
            if over or self._woken:
                raise ShellEnded("the shell ended") if channel.eof_received else EOFError("the connection was closed")
            left = None if deadline is None else deadline - time.monotonic()
            if (left is not None and left <= 0) or not self._news.wait(left):
                raise TimeoutError

    def end(self, group: int) -> None:
        if not self._transport.is_active():
            return
        try:
            done = _ended(self._transport, group)
        except (SSHException, EOFError, OSError):
            # No second channel on this connection: try one of its own.
            with contextlib.closing(_opened(self._target)) as other:
                done = _ended(other.transport, group)
        if not done and self._transport.is_active():
            raise HostError(
                f"the processes of group {group} on {self._target.name} do not end", where=self._target.name
            )

    def wake(self) -> None:
        self._woken = True
        self._news.set()

    def close(self) -> None:
        with contextlib.suppress(SSHException, EOFError, OSError):
            self._channel.settimeout(0.0)
            self._channel.sendall(_GOODBYE)
        with contextlib.suppress(SSHException, EOFError, OSError):
            self._channel.close()


def _ended(transport: Transport, group: int) -> bool:
    channel: Channel = transport.open_session(timeout=_ENDING_WAIT)
    with contextlib.closing(channel):
        channel.exec_command("exec sh -s")
        channel.sendall(ending(group).encode())
        channel.shutdown_write()
        return channel.status_event.wait(_ENDING_WAIT) and channel.exit_status == 0
