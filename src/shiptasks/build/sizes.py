"""How large the images of a build are, how that changed, and whether each keeps to its budget.

The sizes of the last build on the default branch are kept in `.shiptasks/sizes.json`: later builds are compared with
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shiptasks.build.manifest import Manifest
from shiptasks.config.model import Project
from shiptasks.errors import Failed
from shiptasks.run.events import Bus
from shiptasks.run.files import write_whole
from shiptasks.run.table import size, table

FILE = "sizes.json"
_SCHEMA = 1
_NOT_WORTH_A_WORD = 1000  # bytes: timestamps and the like make images differ by less


@dataclass(frozen=True)
class Kept:
    """The sizes of one image when it was last built on the default branch; bytes, None when unknown."""

    version: str
    unpacked: int | None
    compressed: int | None


@dataclass(frozen=True)
class ImageSize:
    """The size of one service's image in bytes: `unpacked` on a host, `compressed` in the registry; None: unknown.

    `before` is the image of the last build on the default branch, `budget` what `unpacked` may be.
    """

    service: str
    unpacked: int | None
    compressed: int | None = None
    budget: int | None = None
    before: Kept | None = None

    @property
    def change(self) -> int | None:
        """Bytes that it has grown, negative when it shrank: unpacked, else compressed. None: nothing to compare."""
        if self.before is None:
            return None
        for now, then in ((self.unpacked, self.before.unpacked), (self.compressed, self.before.compressed)):
            if now is not None and then is not None:
                return now - then
        return None

    @property
    def over(self) -> int:
        """Bytes above the budget; 0 when it is kept, or nothing is known."""
        if self.budget is None or self.unpacked is None:
            return 0
        return max(self.unpacked - self.budget, 0)

    @property
    def unjudged(self) -> bool:
        """Whether there is a budget that nobody could compare with: the image is not in the local engine."""
        return self.budget is not None and self.unpacked is None

    def data(self) -> dict[str, Any]:
        """As plain data, sizes in bytes."""
        return {
            "service": self.service,
            "unpacked": self.unpacked,
            "compressed": self.compressed,
            "change": self.change,
            "before": self.before.version if self.before else None,
            "budget": self.budget,
            "over_budget": self.over > 0,
        }


@dataclass(frozen=True)
class SizeReport:
    """The sizes of all images of one version."""

    version: str
    images: tuple[ImageSize, ...]

    @property
    def over(self) -> tuple[ImageSize, ...]:
        """Those above their budget, the farthest first."""
        return tuple(sorted((each for each in self.images if each.over), key=lambda each: -each.over))

    @property
    def unjudged(self) -> tuple[ImageSize, ...]:
        """Those whose budget could not be judged."""
        return tuple(each for each in self.images if each.unjudged)

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {"version": self.version, "images": [each.data() for each in self.images]}

    def text(self) -> str:
        """The table for people."""
        header = ("service", "size", "compressed", "change", "budget")
        rows = [
            (each.service, size(each.unpacked), size(each.compressed), changed(each.change), _budget(each))
            for each in self.images
        ]
        return table(header, rows, right=("size", "compressed", "change"))

    def complaints(self) -> tuple[str, ...]:
        """A line for each image above its budget: `api: 312 MB, budget 200 MB: 112 MB too much`."""
        return tuple(
            f"{each.service}: {size(each.unpacked)}, budget {size(each.budget)}: {size(each.over)} too much"
            for each in self.over
        )


def report(project: Project, manifest: Manifest) -> SizeReport:
    """The sizes as the manifest has them, with the budgets of the configuration and what was kept."""
    kept = recall(project)
    images = []
    for image in manifest.images:
        service = project.services.get(image.service)
        images.append(
            ImageSize(
                service=image.service,
                unpacked=image.size,
                compressed=image.compressed,
                budget=int(service.budget) if service and service.budget is not None else None,
                before=kept.get(image.service),
            )
        )
    return SizeReport(manifest.version, tuple(images))


def judge(made: SizeReport, over_budget: Literal["fail", "warn"], bus: Bus) -> None:
    """Tell what is above its budget. Raises Failed for it, unless `over_budget` is only to warn."""
    for image in made.unjudged:
        bus.notice(f"the budget of {image.service} was not judged: its image is not in the local engine", "warning")
    lines = made.complaints()
    if not lines:
        return
    if over_budget == "warn":
        for line in lines:
            bus.notice(f"over budget: {line}", "warning")
        return
    raise Failed(
        f"{len(lines)} image{'s' * (len(lines) != 1)} larger than the budget",
        where=f"version {made.version}",
        now="the images are built; what is deployed is untouched",
        hint=f"inv build.sizes --why={made.over[0].service} shows what takes the space",
        details=lines,
    )


def remember(project: Project, made: SizeReport) -> None:
    """Keep the sizes of a build on the default branch; those of services that were not built stay as they were.

    Raises OSError when they cannot be written; what was kept still is, then.
    """
    kept = {**recall(project), **_kept_of(made.version, made.images)}
    services = {
        name: {"version": one.version, "unpacked": one.unpacked, "compressed": one.compressed}
        for name, one in sorted(kept.items())
        if name in project.services
    }
    text = json.dumps({"schema": _SCHEMA, "services": services}, indent=2) + "\n"
    write_whole(_path(project), text.encode(), mode=0o644)


def recall(project: Project) -> Mapping[str, Kept]:
    """What `remember` kept, by service; nothing when there is nothing, or nothing that can be read."""
    try:
        raw = json.loads(_path(project).read_text(encoding="utf-8"))
        if raw["schema"] != _SCHEMA:
            return {}
        return {
            str(name): Kept(str(one["version"]), _number(one["unpacked"]), _number(one["compressed"]))
            for name, one in raw["services"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def changed(difference: int | None) -> str:
    """`+4.1 MB`, `-12 MB`, `same`; `-` when there is nothing to compare with."""
    if difference is None:
        return "-"
    if abs(difference) < _NOT_WORTH_A_WORD:
        return "same"
    return f"{'+' if difference > 0 else '-'}{size(abs(difference))}"


def _budget(image: ImageSize) -> str:
    if image.budget is None:
        return "-"
    if image.over:
        return f"{size(image.budget)}, {size(image.over)} too much"
    return f"{size(image.budget)}, size not known" if image.unjudged else size(image.budget)


def _kept_of(version: str, images: Iterable[ImageSize]) -> dict[str, Kept]:
    known = (each for each in images if each.unpacked is not None or each.compressed is not None)
    return {each.service: Kept(version, each.unpacked, each.compressed) for each in known}


def _number(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not a size")
    return value


def _path(project: Project) -> Path:
    return project.state_dir / FILE
