"""The size of what browsers load: measured as it travels, held against a limit and against the last run."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from shiptasks.check import memory
from shiptasks.check.globs import Globs
from shiptasks.errors import Failed, UsageError

if TYPE_CHECKING:
    from shiptasks.check.sections import Bundle
    from shiptasks.config.model import Project

_CHUNK = 1 << 20
# Where bundlers put a hash: between the name and its ending, hexadecimal or of letters and digits.
_HASH = re.compile(r"[-._](?=(?P<hash>[0-9a-f]{6,64}|[A-Za-z0-9_-]{8}|[A-Za-z0-9]{9,22})\.)")


@dataclass(frozen=True)
class BundleFile:
    """One file. `path` is relative to the folder of the bundle; sizes in bytes."""

    path: str
    raw: int
    size: int
    """As it travels: compressed, or as it is."""


@dataclass(frozen=True)
class BundleReport:
    """All files of a bundle, the largest first, with its limits in bytes."""

    files: tuple[BundleFile, ...]
    compress: str
    limit: int
    limit_each: int | None = None
    last: Mapping[str, int] | None = None
    """Sizes in the last run, by the names without their hashes; None when there was none."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def raw(self) -> int:
        return sum(file.raw for file in self.files)

    @property
    def over(self) -> int:
        """Bytes over the limit of all files; 0 when they fit."""
        return max(self.size - self.limit, 0)

    @property
    def too_large(self) -> tuple[BundleFile, ...]:
        """The files over the limit of a single one."""
        return tuple(file for file in self.files if self.limit_each is not None and file.size > self.limit_each)

    @property
    def fits(self) -> bool:
        return not self.over and not self.too_large

    @property
    def delta(self) -> int | None:
        """Bytes more than in the last run; None when there was none."""
        return None if self.last is None else self.size - sum(self.last.values())

    @property
    def summary(self) -> str:
        """`182.4 KB of 200.0 KB gzip, +1.2 KB`, and what is too large."""
        told = f"{_size(self.size)} of {_size(self.limit)}{f' {self.compress}' if self.compress != 'none' else ''}"
        if self.delta:
            told += f", {_change(self.delta)}"
        if self.over:
            told += f": {_size(self.over)} over its limit"
        if self.too_large and self.limit_each is not None:
            names = ", ".join(f"{file.path} is {_size(file.size)}" for file in self.too_large)
            told += f"; {names}, and one file may be {_size(self.limit_each)}"
        return told

    def lines(self) -> tuple[str, ...]:
        """A line for each file: size, what changed, name."""
        changes = self._changes()
        return tuple(
            f"{_size(file.size):>10}  {changes[file.path]:>10}  {file.path} ({_size(file.raw)} raw)"
            for file in self.files
        )

    def data(self) -> dict[str, Any]:
        """Plain data, for JSON; sizes in bytes."""
        return {
            "size": self.size,
            "raw": self.raw,
            "compress": self.compress,
            "limit": self.limit,
            "limit_each": self.limit_each,
            "over": self.over,
            "delta": self.delta,
            "fits": self.fits,
            "files": [{"path": file.path, "raw": file.raw, "size": file.size} for file in self.files],
        }

    def _changes(self) -> dict[str, str]:
        """What is told of each file's change: nothing where several share a name without their hashes."""
        if self.last is None:
            return {file.path: "" for file in self.files}
        names = [plain_name(file.path) for file in self.files]
        return {
            file.path: ""
            if names.count(name) > 1
            else _change(file.size - self.last[name])
            if name in self.last
            else "new"
            for file, name in zip(self.files, names, strict=True)
        }


def measure(project: Project, name: str, bundle: Bundle) -> BundleReport:
    """Measure the files of the bundle `name`, compare with the last run, and keep the sizes for the next one.

    Raises Failed when a pattern is none, when there is no file, when one lies outside of the repository or cannot be
    read.
    """
    folder = project.root / bundle.folder
    if not folder.is_dir():
        raise Failed(
            f"the folder of the bundle {name} does not exist: {bundle.folder}",
            where=project.where("bundles", name, "folder"),
            hint=f"set `command` in [tool.shiptasks.bundles.{name}] to what builds it",
        )
    try:
        globs = Globs(bundle.files)
    except UsageError as error:
        where = project.where("bundles", name, "files")
        raise Failed(f"the patterns of the bundle {name} cannot be used: {error.what}", where=where) from None
    paths = [path for path in _under(folder, globs) if path.is_file()]
    if not paths:
        raise Failed(
            f"the bundle {name} has no files: nothing in {bundle.folder} fits {', '.join(bundle.files)}",
            where=project.where("bundles", name, "files"),
            hint="a bundle of nothing must not pass: build it first, or correct `files`",
        )
    found = [_measured(path, folder, project.root, bundle.compress) for path in paths]
    kept = project.state_dir / "bundles" / f"{name}.json"
    report = BundleReport(
        tuple(sorted(found, key=lambda file: (-file.size, file.path))),
        bundle.compress,
        int(bundle.limit),
        None if bundle.limit_each is None else int(bundle.limit_each),
        _last(kept, bundle.compress),
    )
    sizes: dict[str, int] = {}
    for file in found:
        sizes[plain_name(file.path)] = sizes.get(plain_name(file.path), 0) + file.size
    try:
        memory.keep(kept, {"schema": 1, "compress": bundle.compress, "sizes": sizes})
    except OSError as error:
        raise Failed(f"the sizes of the bundle {name} cannot be kept: {error.strerror}", where=str(kept)) from None
    return report


def plain_name(path: str) -> str:
    """The path without the hash that a bundler put into the name: `assets/index-3f9a1c.js` is `assets/index.js`."""
    pure = PurePosixPath(path)
    for found in _HASH.finditer(pure.name):
        if found.start() and _is_hash(found["hash"]):
            return str(pure.with_name(pure.name[: found.start()] + pure.name[found.end("hash") :]))
    return path


def _is_hash(text: str) -> bool:
    """Whether it looks drawn by lot: digits, or capitals in the middle. A word that is taken for one does no harm."""
    if any(char.isdigit() for char in text):
        return True
    return len(text) >= 8 and any(char.isupper() for char in text[1:]) and any(char.islower() for char in text)


def _under(folder: Path, globs: Globs) -> Iterator[Path]:
    """What the patterns take, in the order of the names; links to folders are not followed."""
    for base, folders, names in os.walk(folder):
        inside = Path(base).relative_to(folder)
        folders[:] = sorted(each for each in folders if globs.enters(f"{(inside / each).as_posix()}/"))
        yield from (Path(base) / each for each in sorted(names) if globs.takes((inside / each).as_posix()))


def _measured(path: Path, folder: Path, root: Path, compress: str) -> BundleFile:
    if root.resolve() not in path.resolve().parents:
        raise Failed(f"a file of the bundle lies outside of the repository: {path.resolve()}", where=str(path))
    raw = size = 0
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31: with the frame of gzip, and no name or time in it
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                raw += len(chunk)
                size += len(gzip.compress(chunk))
    except OSError as error:
        raise Failed(f"a file of the bundle cannot be read: {error.strerror}", where=str(path)) from None
    size += len(gzip.flush())
    return BundleFile(path.relative_to(folder).as_posix(), raw, size if compress == "gzip" else raw)


def _last(kept: Path, compress: str) -> dict[str, int] | None:
    data = memory.recall(kept)
    sizes = data.get("sizes") if data and data.get("compress") == compress else None
    if not isinstance(sizes, dict) or not all(type(size) is int for size in sizes.values()):
        return None
    return sizes


def _size(count: int) -> str:
    """`182.4 KB`, in powers of 1000 as the limits are written."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def _change(count: int) -> str:
    return f"{'-' if count < 0 else '+'}{_size(abs(count))}" if count else "same"
