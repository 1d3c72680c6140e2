"""What an image is made of, as one hash: a service whose hash is that of its last image need not be built again.

The hash follows what BuildKit's own cache goes by, never less: `.dockerignore` applies; content, permissions, links and
empty folders count, times and owners do not. Where the answer is not certain there is no hash, and nothing is skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from shiptasks.build import dockerfile, dockerignore
from shiptasks.build.bases import Base
from shiptasks.build.contents import Contents
from shiptasks.build.unclear import Unclear

FORMAT = 1
"""Raised when the same sources must be built again because this module, or the way of building, has changed."""
AUTOMATIC = frozenset({"VERSION"})
"""Build arguments that every build passes: they count only where the Dockerfile takes them."""
PASSING = frozenset(f"org.opencontainers.image.{name}" for name in ("created", "revision", "version"))
"""Labels and annotations that change with every commit: an image that is kept says truly which one it was made of."""

_FRONTEND = re.compile(r"(?:.+/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")
_SHOWN = 3


@dataclass(frozen=True)
class Facts:
    """What is said of an image to build. `secrets` and `ssh` are ids, never values.

    `platforms` as `linux/amd64`: where none are configured, that of the builder, or builders of different kinds share
    a hash. `attest` are the attestations wished for, as bake has them.

    One context, a folder: contexts under other names and at other addresses are not supported.
    """

    context: Path
    dockerfile: Path
    stage: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    attest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """What an image is made of: `parts` by name, `files` by path, each as a text that is another when the part is.

    `hash` is of all of it; empty when `unclear` says what cannot be known.
    """

    hash: str
    parts: Mapping[str, str]
    files: Mapping[str, str]
    unclear: str = ""

    @property
    def bases(self) -> dict[str, str]:
        """The digests of the images that it is built from, by their names in the Dockerfile."""
        return {part.partition(" ")[2]: text for part, text in self.parts.items() if part.startswith("image ")}

    def to_json(self) -> dict[str, Any]:
        return {
            "hash": self.hash,
            "parts": dict(self.parts),
            "files": {path.encode("utf-8", "backslashreplace").decode(): text for path, text in self.files.items()},
            "unclear": self.unclear,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Inputs:
        """Raises ValueError when that is not what `to_json` made."""
        try:
            return cls(str(raw["hash"]), dict(raw["parts"]), dict(raw["files"]), str(raw["unclear"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not the inputs of a build: {error}") from error


class Entry(Protocol):
    """What is recorded of the last image: the hash of its inputs, empty or None when it is not known."""

    @property
    def inputs(self) -> str | None: ...


def images(facts: Facts) -> tuple[str, ...]:
    """The images from elsewhere that are needed, as `bases.look` takes them. Raises Unclear when it cannot be told."""
    return _images(facts, _read(facts)[1])


def of(facts: Facts, bases: Mapping[str, Base], contents: Contents) -> Inputs:
    """The inputs of one image. `bases` has what `images` named; `contents` remembers the files.

    Whoever builds asks before and after: with another answer, something changed while it was read, and neither may be
    recorded. Never raises: what cannot be known is in `unclear`.
    """
    parts = {
        "format": str(FORMAT),
        "stage": facts.stage or "",
        "platforms": " ".join(sorted(facts.platforms)),
        "secrets": " ".join(sorted(facts.secrets)),
        "ssh": " ".join(sorted(facts.ssh)),
        "attest": " ".join(sorted(facts.attest)),
        **{f"label {name}": value for name, value in facts.labels.items() if name not in PASSING},
        # An annotation may say what it is for: `index:org.opencontainers.image.created`.
        **{f"annotation {k}": v for k, v in facts.annotations.items() if k.rpartition(":")[2] not in PASSING},
    }
    files: dict[str, str] = {}
    try:
        content, recipe = _read(facts)
        parts["Dockerfile"] = _digest(content)
        for name, value in facts.args.items():
            if name not in AUTOMATIC or recipe.declares(name):
                parts[f"argument {name}"] = _digest(value.encode("utf-8", "surrogateescape"))
        for image in _images(facts, recipe):
            base = bases.get(image) or Base(image, "", "nobody looked")
            if not base.digest:
                raise Unclear(f"which image {image} stands for is not known: {base.why}")
            parts[f"image {image}"] = base.digest
        if address := recipe.fetches(facts.stage):
            raise Unclear(f"only the builder can say whether {address} has changed")
        files = _files(facts, contents)
    except Unclear as error:
        return Inputs("", parts, files, str(error))
    text = json.dumps([sorted(parts.items()), sorted(files.items())])
    return Inputs("sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest(), parts, files)


def of_all(
    facts: Mapping[str, Facts], look: Callable[[Sequence[str]], Mapping[str, Base]], contents: Contents
) -> dict[str, Inputs]:
    """The inputs of several images, by the key of `facts`. `look` is asked once for all images they begin with.

    What `contents` learned is kept.
    """
    names = set[str]()
    for one in facts.values():
        with suppress(Unclear):  # `of` says so
            names.update(images(one))
    bases = look(sorted(names)) if names else {}
    found = {key: of(one, bases, contents) for key, one in facts.items()}
    contents.save()
    return found


def explain(old: Inputs, new: Inputs) -> tuple[str, ...]:
    """What differs between two builds, in words, the settings before the files; nothing when nothing does."""
    found = []
    if new.unclear:
        found.append(new.unclear)
    for name in sorted(old.parts.keys() | new.parts.keys()):
        if old.parts.get(name) != new.parts.get(name):
            found.append(f"{name} {_verb(name, old.parts, new.parts)}")
    paths = [path for path in sorted(old.files.keys() | new.files.keys()) if old.files.get(path) != new.files.get(path)]
    found += [f"{path} {_verb(path, old.files, new.files)}" for path in paths[:_SHOWN]]
    if len(paths) > _SHOWN:
        found.append(f"{len(paths) - _SHOWN} more files")
    return tuple(found)


def unchanged(
    inputs: Inputs, last: Entry | None, image_is_there: bool, before: Inputs | None = None
) -> tuple[bool, str]:
    """Whether an image need not be built again, and why or why not, in words.

    `last` is what the last manifest says of it; None when there is none. `before` are its inputs, if they were kept:
    then the words say what changed.
    """
    if not inputs.hash:
        return False, inputs.unclear
    if last is None:
        return False, "it has not been built yet"
    if not last.inputs:
        return False, "what the last image was made of is not known"
    if last.inputs != inputs.hash:
        changes = explain(before, inputs) if before is not None and before.hash == last.inputs else ()
        return False, ", ".join(changes) or "its inputs have changed"
    if not image_is_there:
        return False, "its last image is no longer there"
    return True, "its inputs are those of its last image"


def _read(facts: Facts) -> tuple[bytes, dockerfile.Dockerfile]:
    try:
        content = facts.dockerfile.read_bytes()
        recipe = dockerfile.parse(content.decode("utf-8"))
    except OSError as error:
        raise Unclear(f"the Dockerfile cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unclear("the Dockerfile is not UTF-8") from None
    frontend = facts.args.get("BUILDKIT_SYNTAX") or recipe.syntax
    if frontend and not _FRONTEND.fullmatch(frontend):
        raise Unclear(f"{frontend} reads the Dockerfile in its own way")
    return content, recipe


def _images(facts: Facts, recipe: dockerfile.Dockerfile) -> tuple[str, ...]:
    """The images of all platforms: their names may contain what the builder knows of the platform."""
    found = set[str]()
    for platform in facts.platforms or ("",):
        system, _, rest = platform.partition("/")
        architecture, _, variant = rest.partition("/")
        known = {"PLATFORM": platform, "OS": system, "ARCH": architecture, "VARIANT": variant}
        builders = {f"TARGET{name}": value for name, value in known.items()} if platform else {}
        found.update(recipe.images(facts.stage, {**builders, **facts.args}))
    return tuple(sorted(found))


def _files(facts: Facts, contents: Contents) -> dict[str, str]:
    ignore = dockerignore.read(facts.context, facts.dockerfile)
    found: dict[str, str] = {}
    for path, entry in dockerignore.walk(facts.context, ignore):
        try:
            found[path] = _of_entry(entry, contents)
        except OSError as error:
            raise Unclear(f"{path!r} cannot be read: {error.strerror}") from None
    return found


def _of_entry(entry: os.DirEntry[str], contents: Contents) -> str:
    status = entry.stat(follow_symlinks=False)
    kind, mode = stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode)
    if kind == stat.S_IFLNK:
        text = f"link {_digest(os.fsencode(os.readlink(entry.path)))}"  # noqa: PTH115
    elif kind == stat.S_IFREG:
        text = f"file {mode:o} {contents.of(entry.path, status)}"
    else:
        text = f"folder {mode:o}" if kind == stat.S_IFDIR else f"special {status.st_mode:o} {status.st_rdev}"
    return text + _attributes(entry.path)


def _attributes(path: str) -> str:
    """The extended attributes that end up in an image; Python knows them on Linux only."""
    if not hasattr(os, "listxattr"):
        return ""
    try:
        names = os.listxattr(path, follow_symlinks=False)
        kept = [
            name for name in names if name == "security.capability" or not name.startswith(("security.", "system."))
        ]
        values = [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in sorted(kept)]
    except OSError:  # a file system without them
        return ""
    return f" {_digest(json.dumps(values).encode())}" if values else ""


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=20).hexdigest()


def _verb(key: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    if key not in old:
        return "is new"
    return "has changed" if key in new else "is gone"
