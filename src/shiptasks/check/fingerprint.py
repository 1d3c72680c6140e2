"""What the files are that a stage depends on: a hash of each, fast when little has changed.

A hash is taken again only when size, times or inode of a file are not as they were; what was seen last is kept in
`cache/files.json` of the state folder. It can be removed at any time, and is not believed when it is broken.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from shiptasks.check.drafts import draft, remove_abandoned
from shiptasks.check.globs import Globs
from shiptasks.errors import UsageError

NEVER = frozenset({".git", ".shiptasks", "node_modules", "__pycache__"})
"""Folders that are never looked into: what tools keep there changes while they run."""
MARKS = frozenset({"CACHEDIR.TAG", "pyvenv.cfg"})
"""Files that mark the folder they are in as a cache (https://bford.info/cachedir) or a virtual environment."""

_FORMAT = 1
_CHUNK = 1 << 20
# A file may change again within the same tick of its clock, and its times and size stay as they are: what is younger
# than this is hashed again next time. Two seconds are the coarsest tick of a file system (FAT).
_TICK = 2_000_000_000

_Seen = tuple[int, int, int, int, str]
"""Size, mtime and ctime in nanoseconds, inode, hash of the content."""


class Files:
    """The files under `root`, and what is remembered of them in `state_dir`. Used from several threads at once."""

    def __init__(self, root: Path, state_dir: Path) -> None:
        self._root = os.fspath(root)
        self._folder = state_dir / "cache"
        self._lock = threading.Lock()
        self._kept: dict[str, _Seen] | None = None
        self._met: set[str] = set()

    def hashes(self, globs: Globs) -> Mapping[str, str]:
        """A text for each file that the patterns take, by its path: another one when the file is another.

        Content and the executable bit count; of a link where it leads, and the content when that is a file. A link to a
        folder is never followed. Sockets, pipes and devices are left out.

        Raises UsageError when a file or folder cannot be read, and when a pattern takes no file.
        """
        kept, now = self._load(), self._clock()
        found: dict[str, str] = {}
        fresh: dict[str, _Seen] = {}
        folders_linked: set[str] = set()
        for path, entry in self._walk(globs):
            try:
                if entry.is_symlink():
                    text, is_file = self._of_link(path, kept, fresh, now)
                    found[path] = text
                    if not is_file:
                        folders_linked.add(path)
                elif entry.is_file(follow_symlinks=False):
                    found[path] = self._of_file(path, entry.stat(follow_symlinks=False), kept, fresh, now)
            except FileNotFoundError:
                continue  # removed since the folder was read
            except OSError as error:
                raise _unreadable(path, error) from None
        globs.require(path for path in found if path not in folders_linked)
        self._remember(found.keys(), fresh)
        return found

    def _walk(self, globs: Globs) -> Iterator[tuple[str, os.DirEntry[str]]]:
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(f"{self._root}/{folder}") as scan:
                    entries = list(scan)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise _unreadable(folder or ".", error) from None
            if folder and any(entry.name in MARKS for entry in entries):
                continue
            for entry in entries:
                path = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in NEVER and globs.enters(f"{path}/"):
                        folders.append(f"{path}/")
                elif entry.name not in NEVER and globs.takes(path):
                    yield path, entry

    def _of_link(self, path: str, kept: Mapping[str, _Seen], fresh: dict[str, _Seen], now: int) -> tuple[str, bool]:
        """The text of a link, and whether it leads to a file."""
        whole = f"{self._root}/{path}"
        target = hashlib.blake2b(os.fsencode(os.readlink(whole)), digest_size=20).hexdigest()  # noqa: PTH115
        try:
            status = os.stat(whole)  # noqa: PTH116
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # it leads nowhere, or in a circle
                return f"link {target}", False
            raise
        if not stat.S_ISREG(status.st_mode):
            return f"link {target}", False
        return f"link {target} {self._of_file(path, status, kept, fresh, now)}", True

    def _of_file(
        self, path: str, status: os.stat_result, kept: Mapping[str, _Seen], fresh: dict[str, _Seen], now: int
    ) -> str:
        seen = kept.get(path)
        if seen is None or seen[:4] != _signature(status):
            digest, status, is_settled = _hash(f"{self._root}/{path}", now)
            if is_settled:
                fresh[path] = (*_signature(status), digest)
        else:
            digest = seen[4]
        return f"{digest}+x" if status.st_mode & 0o111 else digest

    def _clock(self) -> int:
        """The time in nanoseconds as the file system counts it: that of a share or a virtual machine may be another."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                return os.fstat(file.fileno()).st_mtime_ns
        except OSError:
            return time.time_ns()

    def _load(self) -> Mapping[str, _Seen]:
        with self._lock:
            if self._kept is None:
                remove_abandoned(self._folder)
                try:
                    self._kept = _parsed(self._path.read_text(encoding="ascii"), self._root)
                except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
                    self._kept = {}
            return self._kept

    def _remember(self, met: Iterable[str], fresh: dict[str, _Seen]) -> None:
        with self._lock:
            self._met.update(met)
            if not fresh:
                return
            # Others read the dict that is replaced here; it is never changed.
            before = self._kept or {}
            still = {
                path: seen
                for path, seen in before.items()
                if path in self._met or os.path.lexists(f"{self._root}/{path}")
            }
            self._kept = {**still, **fresh}
            self._save(json.dumps({"format": _FORMAT, "root": self._root, "files": self._kept}))

    def _save(self, text: str) -> None:
        # Another run may write at the same time: the last one wins, and each is whole. A full disk costs only time.
        with suppress(OSError):
            temporary = draft(self._folder)
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "w", encoding="ascii") as file:
                    file.write(text)
                temporary.replace(self._path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    @property
    def _path(self) -> Path:
        return self._folder / "files.json"


def _parsed(text: str, root: str) -> dict[str, _Seen]:
    raw = json.loads(text)
    if raw["format"] != _FORMAT or raw["root"] != root:
        raise ValueError("of another version, or of another folder")
    files: dict[str, list[Any]] = raw["files"]
    if not all(len(seen) == 5 and len(seen[4]) == 40 for seen in files.values()):
        raise ValueError("not what was written")
    return {path: (seen[0], seen[1], seen[2], seen[3], seen[4]) for path, seen in files.items()}


def _signature(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _hash(whole: str, now: int) -> tuple[str, os.stat_result, bool]:
    """The hash of a file's content, its status, and whether the two can be believed to belong together later on."""
    digest = hashlib.blake2b(digest_size=20)
    # Not blocking: a pipe may have taken the file's place since it was looked at.
    descriptor = os.open(whole, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        before = os.fstat(descriptor)
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    is_old = max(before.st_mtime_ns, before.st_ctime_ns) < now - _TICK
    return digest.hexdigest(), after, is_old and _signature(before) == _signature(after)


def _unreadable(path: str, error: OSError) -> UsageError:
    return UsageError(
        f"the input {path!r} cannot be read: {error.strerror}",
        now="nothing was run",
        hint="make it readable, or leave it out of the inputs: a pattern that begins with `!`",
    )
