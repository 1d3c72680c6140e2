"""The framing of scripts in one kept-open shell: what is sent, and how the answer is cut out of its output.

Every script is answered on both streams by a line with a random marker before and after its output, so that both
are complete when the exit code is known, and nothing that a script or a login file writes can be mistaken for it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from shiptasks.hosts.base import quote

_NOISE_KEPT = 8192


@dataclass(frozen=True)
class Frame:
    """A script as it is written to the shell, and the markers that surround its output."""

    text: bytes
    begin: bytes
    end: bytes


def build(script: str, *, stdin: bytes | None = None, here: bool = False) -> Frame:
    """Frame a script: in a subshell, or `here` in the shell itself. Raises ValueError for a NUL character.

    The script is one quoted word for `eval`, a builtin: a syntax error stays inside, and no text reaches argv.
    `stdin` goes through a heredoc as base64, since the shell reads its own input as text.
    """
    half, other = secrets.token_hex(8), secrets.token_hex(8)
    word = quote(script)
    if here:
        # `command` takes away a special builtin's right to end the shell on an error.
        body = f"command eval {word} </dev/null"
    elif stdin is None:
        body = f"( eval {word} ) </dev/null"
    else:
        lines = base64.encodebytes(stdin).decode("ascii")
        body = f"base64 -d <<'{half}{other}' | ( eval {word} )\n{lines}{half}{other}"
    # Each ends in a letter that is no hexadecimal digit: no marker begins inside another, or inside itself.
    text = f"{_say(half, other + 'x', '$$')}\n{body}\n{_say(half, other + 'z', '$?')}\n"
    return Frame(
        text=text.encode("utf-8", "surrogateescape"),
        begin=f"{half}{other}x".encode("ascii"),
        end=f"{half}{other}z".encode("ascii"),
    )


def _say(half: str, other: str, value: str) -> str:
    # In two halves: `set -x` shows the command, and must not show the marker.
    return f"printf '%s%s %s\\n' {half} {other} \"{value}\"; printf '%s%s\\n' {half} {other} >&2"


class Stream:
    """Cuts one stream's part of a frame out of the bytes as they come, in linear time and little memory."""

    def __init__(
        self, frame: Frame, on_line: Callable[[str], None] | None = None, on_head: Callable[[str], None] | None = None
    ) -> None:
        self._begin, self._end = frame.begin, frame.end
        self._on_line = on_line
        self._on_head = on_head
        self._held = b""
        self._body: list[bytes] = []
        self._line: list[bytes] = []
        self.head: str | None = None
        """What stood beside the first marker; None until it came."""
        self.tail: str | None = None
        """What stood beside the last marker; None until it came."""

    @property
    def noise(self) -> str:
        """The end of what came outside of any frame: a banner, or the words of a host that runs no shell."""
        return "" if self.head is not None else self._held.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        return b"".join(self._body).decode("utf-8", "replace")

    def feed(self, data: bytes) -> None:
        if not data or self.tail is not None:
            return
        data = self._held + data
        if self.head is None:
            head, found, data = _after(data, self._begin)
            if not found:
                self._held = data[-_NOISE_KEPT:] if self._begin not in data else data
                return
            self.head = head
            if self._on_head is not None:
                self._on_head(head)
        self._take(data)

    def _take(self, data: bytes) -> None:
        at = data.find(self._end)
        if at < 0:
            keep = _overlap(data, self._end)
            self._held = data[len(data) - keep :]
            self._add(data[: len(data) - keep])
            return
        self._add(data[:at])
        # The marker alone may come before the rest of its line.
        self._held = data[at:]
        tail, found, _ = _after(self._held, self._end)
        if found:
            self.tail, self._held = tail, b""
            self._flush()

    def _add(self, body: bytes) -> None:
        if not body:
            return
        self._body.append(body)
        if self._on_line is None:
            return
        first, *others = body.split(b"\n")
        self._line.append(first)
        for piece in others:
            line, self._line = b"".join(self._line), [piece]
            self._on_line(line.decode("utf-8", "replace"))

    def _flush(self) -> None:
        line, self._line = b"".join(self._line), []
        if line and self._on_line is not None:
            self._on_line(line.decode("utf-8", "replace"))


def _after(data: bytes, marker: bytes) -> tuple[str, bool, bytes]:
    """What stands on the marker's line behind it, whether that line is complete, and the bytes that follow."""
    at = data.find(marker)
    end = data.find(b"\n", at + len(marker)) if at >= 0 else -1
    if end < 0:
        return "", False, data
    return data[at + len(marker) : end].decode("ascii", "replace").strip(), True, data[end + 1 :]


def _overlap(data: bytes, marker: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `marker`."""
    for size in range(min(len(marker) - 1, len(data)), 0, -1):
        if data.endswith(marker[:size]):
            return size
    return 0
