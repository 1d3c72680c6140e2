"""`c.run` in a task of ours: in the repository's root, and nothing of it outlives the task.

invoke itself answers Ctrl-C by writing to the command's standard input and waits on, SIGTERM not at all, and shares one
configuration between all calls. This uses its seam for runners, `config.runners.local`.
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from invoke.context import Context
from invoke.exceptions import Failure
from invoke.runners import Local, Result

GRACE = 5.0
"""Seconds that an interrupted command has, after SIGTERM, before SIGKILL."""


def own_context(given: Context | None) -> Context:
    """A context for one call: the configuration of `given`, cloned, so that calls side by side share nothing.

    A context of another class (a test's MockContext, a Fabric Connection) is taken as it is.
    """
    if given is not None and type(given) is not Context:
        return given
    context = Context(config=given.config.clone()) if given is not None else Context()
    if given is not None:
        for name in ("command_prefixes", "command_cwds"):
            context._set(name, list(getattr(given, name)))
    if context.config.runners.local is Local:
        context.config.runners.local = RootedLocal
    return context


class RootedLocal(Local):
    """Commands start in the repository's root; when the task is interrupted, they and their children are ended."""

    interrupted = False

    def run(self, command: str, **kwargs: Any) -> Result | None:
        try:
            result = super().run(command, **kwargs)
        except Failure:
            if self.interrupted:
                raise KeyboardInterrupt from None
            raise
        except KeyboardInterrupt:  # in a moment in which invoke does not wait for the command
            self._end()
            raise
        if self.interrupted:
            raise KeyboardInterrupt
        return result

    def start(self, command: str, shell: str, env: dict[str, Any]) -> None:
        root = self.context.config.get("shiptasks", {}).get("root") or None
        if self.using_pty:
            super().start(f"cd {shlex.quote(root)} && {command}" if root else command, shell, env)
        else:
            self.process = Popen(  # noqa: S602 - what `c.run` is
                command, shell=True, executable=shell, env=env, cwd=root, stdin=PIPE, stdout=PIPE, stderr=PIPE
            )

    def send_interrupt(self, interrupt: KeyboardInterrupt) -> None:  # noqa: ARG002 - invoke's signature
        self.interrupted = True
        self._end()

    def _end(self) -> None:
        process = getattr(self, "process", None)
        pid = getattr(self, "pid", 0) or (process.pid if process else 0)
        if pid:
            end_tree(pid)


def end_tree(pid: int, grace: float = GRACE) -> None:
    """End a process and its children: SIGTERM, and SIGKILL for those that are there `grace` seconds later."""
    tree = [pid, *descendants(pid)]
    _signal(tree, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and any(_alive(each) for each in tree):
        time.sleep(0.02)
    _signal([each for each in tree if _alive(each)], signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """The children of a process, theirs, and so on, the nearest first."""
    children: dict[int, list[int]] = {}
    for child, parent in _processes():
        children.setdefault(parent, []).append(child)
    found = list(children.get(pid, ()))
    for each in found:
        found += children.get(each, ())
    return found


def _processes() -> Iterator[tuple[int, int]]:
    """(process, its parent) of every process: from /proc, or from `ps` where there is none."""
    proc = Path("/proc")
    if (proc / "self" / "stat").exists():
        for folder in proc.iterdir():
            if folder.name.isdigit():
                with suppress(OSError, ValueError, IndexError):
                    text = (folder / "stat").read_bytes()
                    # The name, in brackets, may hold anything; the parent is the second word after it.
                    yield int(folder.name), int(text[text.rindex(b")") + 1 :].split()[1])
        return
    with suppress(OSError), Popen(["ps", "-axo", "pid=,ppid="], stdout=PIPE, text=True) as ps:
        for line in ps.stdout or ():
            child, parent = line.split()
            yield int(child), int(parent)


def _alive(pid: int) -> bool:
    with suppress(OSError, ValueError):
        text = Path(f"/proc/{pid}/stat").read_bytes()
        return text[text.rindex(b")") + 1 :].split()[0] != b"Z"
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)
