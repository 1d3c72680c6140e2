"""The lease of a run: a lock on a file in its folder, which the kernel lets go when the process ends, however it ends.

A folder with a lease that nobody holds is that of a run which was killed, or could not tidy up after itself: what it
owes is removed by the next one (`shiptasks.run.leftovers`). A run that has ended well leaves no lease.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shiptasks.errors import Failed

NAME = "lease"
_OWED = "owed-"


class Lease:
    """What a run holds while it lives. Children of this process do not inherit it."""

    def __init__(self, folder: Path, descriptor: int | None) -> None:
        self.folder = folder
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Lease:
        """The lease of the run whose folder this is. Inside a block that holds it already, one that holds nothing.

        Raises Failed when the file cannot be written.
        """
        path = folder / NAME
        if path.exists():
            return cls(folder, None)
        # It is locked before it has its name: at no time does it look like that of a run that is dead.
        draft = folder / f".{NAME}-{secrets.token_hex(3)}"
        try:
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _lock(descriptor)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                draft.rename(path)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            raise Failed(
                f"the lease of the run cannot be written: {error.strerror}", where=str(path), now="nothing was run"
            ) from None
        return cls(folder, descriptor)

    @property
    def held(self) -> bool:
        """False for one that was taken inside another, and once it is released."""
        return self._descriptor is not None

    @property
    def run_id(self) -> str:
        return self.folder.name

    @property
    def label(self) -> str:
        """Who may judge whether this run lives, and by which file: for what is left outside of this machine."""
        return f"{identity(repository_of(self.folder))}:{self.folder.absolute() / NAME}"

    def release(self) -> None:
        """Let go. The file stays when something is still owed, so that the next run sees to it."""
        if self._descriptor is None:
            return
        if not owed(self.folder):
            with suppress(OSError):
                (self.folder / NAME).unlink()
        os.close(self._descriptor)
        self._descriptor = None


def is_dead(path: Path) -> bool:
    """Whether nobody holds the lease at `path`, or there is none. False where the file system cannot say."""
    if not path.exists():
        return True
    with claimed(path) as got:
        return got


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Hold a dead run's lease during the block; False when it lives, or somebody else holds it for the same reason."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        yield _lock(descriptor) and _is_at(descriptor, path)
    finally:
        os.close(descriptor)


def owe(folder: Path, kind: str, text: str) -> Path:
    """Note in a run's folder that something is about to be made that has to be removed. Returns the note: remove it
    when the thing is gone."""
    note = folder / f"{_OWED}{kind}-{secrets.token_hex(3)}"
    with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return note


def owed(folder: Path, kind: str = "") -> list[Path]:
    """The notes of what a run still owes."""
    return sorted(folder.glob(f"{_OWED}{kind}*"))


def repository_of(run_folder: Path) -> Path:
    """The repository that a run's folder, `.shiptasks/runs/<id>`, is in."""
    return run_folder.absolute().parents[2]


def identity(repository: Path) -> str:
    """This checkout of the repository on this machine, as 16 hexadecimal digits.

    Several machines and containers may share one engine, with one path, one machine id, or both: a folder's inode
    tells checkouts apart where that is so.
    """
    machine = ""
    with suppress(OSError):
        machine = Path("/etc/machine-id").read_text(encoding="ascii", errors="replace").strip()
    parts = (machine, platform.node(), str(repository.stat().st_ino))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # taken, or a file system without locks
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file that was opened is still the one of that name: another sweep may have been faster."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
