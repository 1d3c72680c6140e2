"""Who lives in a host and what they leave behind, seen from outside: pid namespaces and cgroups."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

NS_GET_PARENT = 0xB702  # from linux/nsfs.h


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def members(init: int) -> list[int]:
    """All processes in the pid namespace of `init`, those in namespaces below it (containers) included."""
    wanted = _inode(Path(f"/proc/{init}/ns/pid"))
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and wanted is not None and wanted in _ancestry(entry / "ns" / "pid"):
            found.append(int(entry.name))
    return found


def remove_cgroups(name: str) -> None:
    """Remove the empty cgroups that killed containers left, in whichever hierarchies this kernel has."""
    roots = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")]
    for root in (path / name for path in roots):
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except (FileNotFoundError, ProcessLookupError):
        return None


def _ancestry(path: Path) -> list[int]:
    """The inode of a pid namespace and of each one above it, as far as we may see."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return []
    found = []
    while True:
        found.append(os.fstat(handle).st_ino)
        try:
            parent = fcntl.ioctl(handle, NS_GET_PARENT)
        except OSError:
            os.close(handle)
            return found
        os.close(handle)
        handle = parent
