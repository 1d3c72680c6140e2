"""What a build made, kept as `.shiptasks/builds/<version>.json`: deploys take images from here, by digest or id."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from shiptasks.config.model import Project
from shiptasks.config.suggest import nearest
from shiptasks.errors import UsageError
from shiptasks.run.files import write_whole

SCHEMA = 1
LAST = "build.json"
"""The manifest of the last build, whatever its version, in `.shiptasks/`."""


@dataclass(frozen=True)
class BuiltImage:
    """The image of one service.

    `name` is the repository without a tag, `tag` the version. `image_id` is the id in the engine that built it.
    `digest` is what the registry knows it by; None when it was not pushed. `size` is in bytes, unpacked; `compressed`
    as the registry has it; None when unknown. `tags` are all references that it got, `platforms` the digest of each
    platform, `bases` those of the images that it was built from. `inputs` says what it was built from
    (shiptasks.build.inputs); `seconds`, `cached` and `steps` how the build went that made it.
    """

    service: str
    name: str
    tag: str
    image_id: str
    digest: str | None = None
    size: int | None = None
    compressed: int | None = None
    tags: tuple[str, ...] = ()
    platforms: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    inputs: str = ""
    seconds: float = 0.0
    cached: int = 0
    steps: int = 0

    @property
    def ref(self) -> str:
        """`name:tag@digest` when it was pushed, `name:tag` when it is in the local engine only."""
        return f"{self.name}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True)
class Manifest:
    """The images of one version. `revision` is the git commit, empty without git; `created` the time of the build."""

    project: str
    version: str
    revision: str
    created: str
    images: tuple[BuiltImage, ...]
    dirty: bool = False
    """Whether the sources were not as the commit says."""

    def image(self, service: str) -> BuiltImage | None:
        """The image of a service; None when this build did not include it."""
        return next((image for image in self.images if image.service == service), None)

    def to_json(self) -> str:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Raises ValueError when the text is not a manifest that this version can read."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw.pop("schema") != SCHEMA:
                raise ValueError("written by another version of shiptasks")
            images = tuple(BuiltImage(**{**image, "tags": tuple(image.get("tags", ()))}) for image in raw["images"])
            return cls(**{**raw, "images": images})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a build manifest: {error}") from error


def now() -> str:
    """The time as a manifest has it: UTC, milliseconds, sorts as text."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def folder(project: Project) -> Path:
    return project.state_dir / "builds"


def save(project: Project, manifest: Manifest) -> Path:
    """Write a manifest atomically; it replaces an earlier one of the same version."""
    target = folder(project) / f"{manifest.version}.json"
    data = manifest.to_json().encode()
    write_whole(target, data, mode=0o644)
    write_whole(project.state_dir / LAST, data, mode=0o644)
    return target


def load(project: Project, version: str | None = None) -> Manifest:
    """The manifest of a version, or of the latest build when `version` is None.

    Raises UsageError when there is none; it names the versions that exist, the nearest first.
    """
    if version is not None:
        path = folder(project) / f"{version}.json"
        # A version is a file name here; what could leave the folder was never built.
        if path.parent != folder(project) or not path.is_file():
            raise _unknown(project, version)
        return _read(path)
    manifests = [_read(path) for path in _files(project)]
    if not manifests:
        raise UsageError(
            f"nothing has been built yet in {project.root}",
            where=str(folder(project)),
            now="nothing was run",
            hint="inv build --version=1.0.0",
        )
    return max(manifests, key=lambda manifest: manifest.created)


def latest(project: Project) -> dict[str, BuiltImage]:
    """The last image of each service, of whichever version. What cannot be read is left out."""
    found: dict[str, tuple[str, BuiltImage]] = {}
    for path in _files(project):
        try:
            one = Manifest.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        for image in one.images:
            if image.service not in found or found[image.service][0] < one.created:
                found[image.service] = (one.created, image)
    return {service: image for service, (_, image) in found.items()}


def merge(project: Project, manifest: Manifest) -> Manifest:
    """`manifest` with the images that an earlier build of the same version and commit made of other services.

    Without a known commit nothing says that the two belong together, and nothing is added.
    """
    path = folder(project) / f"{manifest.version}.json"
    if not manifest.revision or not path.is_file():
        return manifest
    try:
        earlier = Manifest.from_json(path.read_text(encoding="utf-8"))
    except ValueError:
        return manifest
    if earlier.revision != manifest.revision:
        return manifest
    built = {image.service for image in manifest.images}
    kept = [image for image in earlier.images if image.service not in built and image.service in project.services]
    images = sorted((*manifest.images, *kept), key=lambda image: image.service)
    return replace(manifest, images=tuple(images))


def _files(project: Project) -> list[Path]:
    return sorted(path for path in folder(project).glob("*.json") if not path.name.startswith("."))


def _read(path: Path) -> Manifest:
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(
            f"the build manifest cannot be read: {error}",
            where=str(path),
            now="nothing was run",
            hint=f"inv build --version={path.stem}",
        ) from error


def _unknown(project: Project, version: str) -> UsageError:
    known = [path.stem for path in _files(project)]
    near = nearest(version, known)
    details = [f"perhaps you meant {near}"] if near else []
    if known:
        shown = sorted(known, key=lambda name: name != near)[:10]
        details.append("versions built here: " + ", ".join(shown))
    return UsageError(
        f"version {version} has not been built here",
        where=str(folder(project)),
        now="nothing was run",
        hint=f"inv build --version={version}",
        details=tuple(details),
    )
