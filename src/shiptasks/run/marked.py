"""Processes that carry the mark of a run in their environment: found and ended, wherever they have gone.

Each process of a run has SHIPTASKS_RUN=<run id> in its environment and hands it on to what it starts: a daemon that
has left its session and its parent has it still. Linux shows environments under /proc. On macOS `ps` shows them,
except those of Apple's own programs: what such a program (`/bin/sleep`) leaves when it has lost its parent is not
found there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "SHIPTASKS_RUN"
GRACE = 2.0
"""Seconds between asking a process to end and killing it."""

_PROC = Path("/proc")
_TICK = 0.02
_ROUNDS = 5  # what starts others while it is being ended is met again
_PS = ("ps", "-axEww", "-o", "pid=,ppid=,stat=,lstart=,command=")
_PS_LINE = re.compile(r"\s*(\d+)\s+(\d+)\s+(\S+)\s+(\w+\s+\w+\s+\w+\s+[\d:]+\s+\d+)\s(.*)")


@dataclass(frozen=True)
class Process:
    """A process as it was seen. `born` tells it from another one that has got its number since."""

    pid: int
    parent: int
    born: str
    runs: frozenset[str]


@dataclass(frozen=True)
class Ended:
    """How many processes were ended, and the numbers of those that would not."""

    count: int
    stuck: tuple[int, ...]


def end(run_ids: Collection[str], grace: float = GRACE) -> Ended:
    """End what carries the mark of one of these runs, and what that has started: asked first, killed after `grace` s.

    This process, those around it, and what else it has started are left alone.
    """
    wanted = frozenset(run_ids)
    met: dict[tuple[int, str], Process] = {}
    left: list[Process] = []
    for _ in range(_ROUNDS):
        left = find(wanted)
        if not left:
            break
        met.update({(each.pid, each.born): each for each in left})
        for each in left:
            _send(each, signal.SIGTERM)
            _send(each, signal.SIGCONT)
        left = _wait(left, grace)
        for each in left:
            _send(each, signal.SIGKILL)
        left = _wait(left, grace)
    return Ended(len(met) - len(left), tuple(each.pid for each in left))


def find(run_ids: Collection[str]) -> list[Process]:
    """What `end` would end."""
    wanted = frozenset(run_ids)
    seen = {each.pid: each for each in _processes(wanted)}
    spared = set(_ancestors(os.getpid(), seen))
    found = []
    for each in seen.values():
        line = _ancestors(each.pid, seen)
        own = line[: line.index(os.getpid())] if os.getpid() in line else line
        if each.pid not in spared and any(seen[pid].runs & wanted for pid in own):
            found.append(each)
    return found


def _ancestors(pid: int, seen: Mapping[int, Process]) -> list[int]:
    """The process itself, its parent and so on, as far as they were seen."""
    line: list[int] = []
    while pid in seen and pid not in line:
        line.append(pid)
        pid = seen[pid].parent
    return line


def _processes(wanted: frozenset[str]) -> Iterator[Process]:
    if sys.platform == "linux":
        for entry in os.scandir(_PROC):
            if entry.name.isdigit():
                process = _look(int(entry.name), wanted)
                if process is not None:
                    yield process
    else:
        text = subprocess.run(_PS, capture_output=True, check=False).stdout.decode("utf-8", "replace")
        yield from parsed(text, wanted)


def _look(pid: int, wanted: frozenset[str]) -> Process | None:
    """A process of this machine that has not ended; None for one that has, and for those of the kernel."""
    folder = _PROC / str(pid)
    try:
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    runs: frozenset[str] = frozenset()
    with suppress(OSError):  # somebody else's: not shown, and none of ours
        prefix = f"{MARK}=".encode()
        entries = (folder / "environ").read_bytes().split(b"\0")
        values = {entry[len(prefix) :].decode("utf-8", "replace") for entry in entries if entry.startswith(prefix)}
        runs = wanted & values
    return Process(pid, int(fields[1]), fields[19], runs)


def parsed(text: str, wanted: frozenset[str]) -> Iterator[Process]:
    """The processes that `ps` printed, with their environments behind their commands."""
    for line in text.splitlines():
        match = _PS_LINE.fullmatch(line)
        if match and not match[3].startswith("Z"):
            words = set(match[5].split())
            runs = frozenset(each for each in wanted if f"{MARK}={each}" in words)
            yield Process(int(match[1]), int(match[2]), match[4], runs)


def _send(process: Process, number: signal.Signals) -> None:
    """Send a signal to this very process, and to no other that may have got its number."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "linux" and hasattr(os, "pidfd_open"):
            with suppress(OSError):  # a kernel before 5.3 knows no such thing
                descriptor = os.pidfd_open(process.pid)
                try:
                    if _lives(process):
                        signal.pidfd_send_signal(descriptor, number)
                finally:
                    os.close(descriptor)
                return
        if _lives(process):
            os.kill(process.pid, number)


def _lives(process: Process) -> bool:
    if sys.platform == "linux":
        now = _look(process.pid, frozenset())
        return now is not None and now.born == process.born
    said = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(process.pid)], capture_output=True, check=False
    ).stdout.decode("utf-8", "replace")
    state, _, born = said.strip().partition(" ")
    return bool(state) and not state.startswith("Z") and born.split() == process.born.split()


def _wait(processes: list[Process], seconds: float) -> list[Process]:
    """Those that have not ended after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        processes = [each for each in processes if _lives(each)]
        if not processes or time.monotonic() >= until:
            return processes
        time.sleep(_TICK)
