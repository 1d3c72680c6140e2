"""The content of files as hashes that are remembered: a file is read again only when its stat says that it may differ.

Stages of `inv check` remember theirs by patterns (`check.fingerprint`); here the walk is that of a build context.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from shiptasks.run.files import write_whole

_FORMAT = 1
_CHUNK = 1 << 20
# A file may change again within the same tick of its clock, and its times and size stay as they are: what is younger
# than this is hashed again next time. Two seconds are the coarsest tick of a file system (FAT).
_TICK = 2_000_000_000

_Seen = tuple[int, int, int, int, int, str]
"""Size, mtime and ctime in nanoseconds, inode, device, hash of the content."""


class Contents:
    """Hashes of files, kept in `file` between runs. It may be removed at any time, and is not believed when broken.

    Used from several threads at once.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._kept = _loaded(file)
        self._fresh: dict[str, _Seen] = {}
        self._met: set[str] = set()
        self._now = _clock(file.parent)

    def of(self, path: str, status: os.stat_result) -> str:
        """The hash of a regular file's content; `status` what lstat says. Raises OSError if it is unreadable."""
        self._met.add(path)
        seen = self._kept.get(path)
        if seen is not None and seen[:5] == _signature(status):
            return seen[5]
        digest, after, is_settled = _hash(path, self._now)
        if is_settled:
            with self._lock:
                self._fresh[path] = (*_signature(after), digest)
        return digest

    def save(self) -> None:
        """Keep what was learned. A disk that is full or may not be written to costs only time."""
        with self._lock:
            if not self._fresh:
                return
            still = {path: seen for path, seen in self._kept.items() if path in self._met or os.path.lexists(path)}
            self._kept, self._fresh = {**still, **self._fresh}, {}
            text = json.dumps({"format": _FORMAT, "files": self._kept})
        with suppress(OSError):
            write_whole(self._file, text.encode("ascii"))


def _loaded(file: Path) -> dict[str, _Seen]:
    try:
        raw = json.loads(file.read_text(encoding="ascii"))
        files: dict[str, list[Any]] = raw["files"]
        if raw["format"] != _FORMAT or not all(len(seen) == 6 and len(seen[5]) == 40 for seen in files.values()):
            return {}
        return {path: (*seen[:5], seen[5]) for path, seen in files.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}


def _clock(folder: Path) -> int:
    """The time in nanoseconds as the file system counts it: that of a share or a virtual machine may be another."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return time.time_ns()


def _signature(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


def _hash(path: str, now: int) -> tuple[str, os.stat_result, bool]:
    """The hash of a file's content, its status, and whether the two can be believed to belong together later on."""
    digest = hashlib.blake2b(digest_size=20)
    # Not blocking: a pipe may have taken the file's place since it was looked at.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        before = os.fstat(descriptor)
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    is_old = max(before.st_mtime_ns, before.st_ctime_ns) < now - _TICK
    return digest.hexdigest(), after, is_old and _signature(before) == _signature(after)
