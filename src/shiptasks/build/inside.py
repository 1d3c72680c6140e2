"""The files inside an image, read from what `docker image save` streams: nothing is unpacked, nothing is written.

What is in the stream is not trusted: names are only shown, and neither many entries nor large headers fill the memory.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

MOST_ENTRIES = 1_000_000
"""Entries of one image that are looked at; of a larger one the rest is not counted, and that is said."""

_LONGEST_HEADER = 1_000_000  # bytes of a header that extends another, as for long names
_LARGEST_DOCUMENT = 8_000_000  # bytes of the stream's manifest.json
_DEEPEST = 12  # levels of folders that are summed up
_BLOCK = tarfile.BLOCKSIZE
_MAGIC_AT = 257  # where the header of an archive says that it is one
_ORDER = "manifest.json"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_TELLS_MORE = 0.8  # share of a folder in one folder below it, from which on only that one is worth a line
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError)


@dataclass(frozen=True)
class File:
    """A file in a layer: bytes, and whether a later layer replaced or removed it, so that nobody sees it."""

    path: str
    size: int
    hidden: bool = False


@dataclass(frozen=True)
class Folder:
    """A folder with all that is seen below it, in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Inside:
    """The largest files and folders of an image, the largest first. `whole` is false when not all could be read."""

    files: tuple[File, ...]
    folders: tuple[Folder, ...]
    whole: bool = True


@dataclass
class Content:
    """What one layer holds: sizes of files by path, and the paths that it removes from the layers below it."""

    files: dict[str, int] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    whole: bool = True


def look(chunks: Iterable[bytes], most: int = 15) -> Inside:
    """The `most` largest files and folders in the stream of `docker image save`."""
    found: dict[str, Content] = {}
    order, whole, left = b"", True, MOST_ENTRIES
    try:
        with tarfile.open(fileobj=_stream(chunks), mode="r|", tarinfo=_Modest, errorlevel=1) as outer:
            for member in _members(outer):
                stream = outer.extractfile(member) if member.isreg() else None
                if stream is None:
                    continue
                head = stream.read(_BLOCK)
                if _name(member.name) == _ORDER:
                    order = head + stream.read(_LARGEST_DOCUMENT)
                elif head[_MAGIC_AT : _MAGIC_AT + 5] == b"ustar" or head[:1] not in (b"{", b"["):
                    # Python 3.10 takes an archive without members for a broken one.
                    content = read_layer(_again(head, stream), left) if head.strip(b"\0") else Content()
                    left -= len(content.files)
                    found[_name(member.name)] = content
    except _BROKEN:
        whole = False
    layers, known = in_order(found, order)
    files, folders = _largest(layers, most)
    return Inside(files, folders, whole and known and all(layer.whole for layer in layers))


def read_layer(stream: IO[bytes], most: int = MOST_ENTRIES) -> Content:
    """The content of one layer's archive, compressed or not; as far as it can be read."""
    content = Content()
    try:
        with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Modest, errorlevel=1) as inner:
            for count, member in enumerate(_members(inner)):
                if count >= most:
                    content.whole = False
                    break
                _take(content, member)
    except _BROKEN:
        content.whole = False
    return content


def in_order(found: Mapping[str, Content], order: bytes) -> tuple[tuple[Content, ...], bool]:
    """The layers as they lie on each other, by the stream's own manifest.json; and whether all that it names are there.

    Without one that can be read: as they came.
    """
    try:
        (image,) = json.loads(order)
        names = [_name(str(name)) for name in image["Layers"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return tuple(found.values()), False
    layers = tuple(found[name] for name in names if name in found)
    return layers, len(layers) == len(names)


def _take(content: Content, member: tarfile.TarInfo) -> None:
    path = _name(member.name)
    folder, _, name = path.rpartition("/")
    if name == _OPAQUE:
        content.emptied.add(folder)
    elif name.startswith(_WHITEOUT):
        content.removed.add(f"{folder}/{name[len(_WHITEOUT) :]}".lstrip("/"))
    elif member.isreg():
        content.files[path] = max(member.size, 0)
    elif not member.isdir():
        content.files[path] = 0  # a link or device, which may take the place of a file


def _largest(layers: Sequence[Content], most: int) -> tuple[tuple[File, ...], tuple[Folder, ...]]:
    gone: set[str] = set()  # what later layers removed or put another file in the place of
    emptied: set[str] = set()
    files: list[File] = []
    below: Counter[str] = Counter()
    for layer in reversed(layers):
        for path, size in layer.files.items():
            hidden = (
                path in gone or "" in emptied or any(parent in gone or parent in emptied for parent in _parents(path))
            )
            files.append(File(path, size, hidden))
            if not hidden:
                below.update(dict.fromkeys(list(_parents(path))[-_DEEPEST:], size))
        files = sorted(files, key=lambda file: (-file.size, file.path))[:most]
        gone |= layer.files.keys() | layer.removed
        emptied |= layer.emptied
    return tuple(file for file in files if file.size), folders(below, most)


def folders(below: Mapping[str, int], most: int) -> tuple[Folder, ...]:
    """The largest folders; without those of which one folder below holds nearly all, for that one tells more."""
    largest: dict[str, int] = {}
    for path, size in below.items():
        parent = path.rpartition("/")[0]
        if parent:
            largest[parent] = max(largest.get(parent, 0), size)
    told = [Folder(path, size) for path, size in below.items() if size and largest.get(path, 0) < _TELLS_MORE * size]
    return tuple(sorted(told, key=lambda folder: (-folder.size, folder.path))[:most])


def _parents(path: str) -> Iterator[str]:
    """The folders that a path lies in, the nearest first, without the root."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _name(name: str) -> str:
    """A name in an archive as a path below the root of the image, whatever it claims to be."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The entries, without the memory of them that tarfile keeps."""
    while (member := archive.next()) is not None:
        yield member
        cast("Any", archive).members = []


class _Modest(tarfile.TarInfo):
    """An entry whose extending headers have to be of a reasonable size: tarfile reads those into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Modest:
        made = super().frombuf(buf, encoding, errors)
        extends = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME)
        if made.type in (*extends, tarfile.GNUTYPE_LONGLINK) and made.size > _LONGEST_HEADER:
            raise tarfile.ReadError("a header of an archive is too large")
        return made


class _Chunks(io.RawIOBase):
    """Chunks as a file that is read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _stream(chunks: Iterable[bytes]) -> IO[bytes]:
    return io.BufferedReader(_Chunks(iter(chunks)), 1 << 20)


def _again(head: bytes, rest: IO[bytes]) -> IO[bytes]:
    """`rest` with what was already read of it in front."""

    def chunks() -> Iterator[bytes]:
        yield head
        while chunk := rest.read(1 << 20):
            yield chunk

    return _stream(chunks())
