"""The host keys that are known: files in OpenSSH's format, each read once, and the judgement on an offered key.

Hashed names, `[host]:port`, wildcards, `!` and `@revoked` are honoured. `@cert-authority` lines match nothing:
host certificates are not asked for, so such a host is unknown until its key is listed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

Standing = Literal["known", "unknown", "changed", "revoked"]


@dataclass(frozen=True)
class Entry:
    """One line of a known_hosts file: which names it speaks of, and the key."""

    names: str
    kind: str
    key: bytes
    revoked: bool
    place: str
    """`file:line`, for people."""

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -lf` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.key).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Verdict:
    """What the files say about a key that a host offers; `entries` are the lines that decided."""

    standing: Standing
    entries: tuple[Entry, ...] = ()


class KnownHosts:
    """An index over known_hosts files. Unreadable lines are passed over, as OpenSSH does."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._plain: dict[str, list[Entry]] = {}
        self._others: list[Entry] = []
        for entry in entries:
            if re.search(r"[*?!]|^\|", entry.names):
                self._others.append(entry)
            else:
                for name in entry.names.lower().split(","):
                    self._plain.setdefault(name, []).append(entry)

    def entries(self, name: str) -> tuple[Entry, ...]:
        """Every line that speaks of the host; `name` is as `lookup_name` makes it."""
        return (*self._plain.get(name, ()), *(entry for entry in self._others if _matches(entry.names, name)))

    def kinds(self, name: str) -> tuple[str, ...]:
        """Types of the host's known keys, such as `ssh-ed25519`: to be asked for before all others."""
        return tuple(dict.fromkeys(entry.kind for entry in self.entries(name) if not entry.revoked))

    def judge(self, name: str, key: bytes) -> Verdict:
        entries = self.entries(name)
        same = tuple(entry for entry in entries if hmac.compare_digest(entry.key, key))
        revoked = tuple(entry for entry in same if entry.revoked)
        if revoked:
            return Verdict("revoked", revoked)
        if same:
            return Verdict("known", same)
        others = tuple(entry for entry in entries if not entry.revoked)
        return Verdict("changed", others) if others else Verdict("unknown")


def lookup_name(host: str, port: int) -> str:
    """The name under which OpenSSH keeps a host: `[host]:port` unless the port is 22."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def load(paths: Sequence[Path]) -> KnownHosts:
    """Read the files that exist. Each state of the files is read once."""
    stamps = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        stamps.append((path, status.st_mtime_ns, status.st_size))
    return _load(tuple(stamps))


@lru_cache(maxsize=16)
def _load(stamps: tuple[tuple[Path, int, int], ...]) -> KnownHosts:
    return KnownHosts(entry for path, _, _ in stamps for entry in _read(path))


def _read(path: Path) -> Iterable[Entry]:
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        entry = parse(line, f"{path}:{number}")
        if entry is not None:
            yield entry


def parse(line: str, place: str) -> Entry | None:
    """One line, or None for a comment, a broken line or a `@cert-authority`."""
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0].startswith("@") else ""
    if marker not in ("", "@revoked") or len(words) < 3:
        return None
    try:
        key = base64.b64decode(words[2], validate=True)
    except binascii.Error:
        return None
    return Entry(names=words[0], kind=words[1], key=key, revoked=bool(marker), place=place)


def _matches(names: str, name: str) -> bool:
    if names.startswith("|"):
        return _matches_hash(names, name)
    found = False
    for pattern in names.lower().split(","):
        if _glob(pattern.removeprefix("!")).fullmatch(name):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _matches_hash(hashed: str, name: str) -> bool:
    try:
        _, method, salt, digest = hashed.split("|")
        expected = base64.b64decode(digest, validate=True)
        actual = hmac.new(base64.b64decode(salt, validate=True), name.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return method == "1" and hmac.compare_digest(expected, actual)


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern), re.DOTALL)
