"""What a person sees: a command run on a pseudo-terminal, its screen drawn from the escapes that it sends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([^\x1b])", re.S)


@dataclass(frozen=True)
class Shown:
    exit_code: int
    raw: str
    screen: list[str]


def run_on_terminal(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], columns: int) -> Shown:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        argv, cwd=cwd, env=dict(env), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    data = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the other side is closed
            break
        if not chunk:
            break
        data += chunk
    os.close(ours)
    code = process.wait(30)
    raw = data.decode()
    return Shown(code, raw, draw(raw, columns))


def draw(raw: str, columns: int) -> list[str]:
    """The lines that are on the screen at the end: carriage return, line feed, cursor up, erase; wraps at the edge."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for match in _TOKEN.finditer(raw):
        count, command, char = match[1], match[2], match[3]
        if char == "\n":
            row += 1
        elif char == "\r":
            column = 0
        elif char is not None:
            if column == columns:
                row, column = row + 1, 0
            while len(lines) <= row:
                lines.append([])
            line = lines[row]
            line.extend(" " * (column + 1 - len(line)))
            line[column] = char
            column += 1
        elif command == "A":
            row = max(row - int(count or 1), 0)
        elif command == "K":
            lines[row] = [] if count == "2" else lines[row][:column]
        elif command == "J":  # what is below the cursor, and behind it in its line
            lines[row:] = [lines[row][:column]] if row < len(lines) else []
        while len(lines) <= row:
            lines.append([])
    return ["".join(line).rstrip() for line in lines]
