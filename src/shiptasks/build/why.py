"""Why an image is as large as it is: its largest layers, and the largest files and folders inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shiptasks.build import inside
from shiptasks.build.inside import Inside
from shiptasks.build.layers import Layer, layers
from shiptasks.errors import Failed
from shiptasks.run.table import size
from shiptasks.run.text import one_line, shorten_middle, truncate

if TYPE_CHECKING:
    from docker import DockerClient

MOST = 15
"""Layers, files and folders that are shown."""

_HIDDEN = " (replaced or removed by a later layer)"


@dataclass(frozen=True)
class Why:
    """What takes the space in the image of a service; `layers` are the largest ones, the largest first."""

    service: str
    image: str
    layers: tuple[Layer, ...]
    inside: Inside

    def data(self) -> dict[str, Any]:
        """As plain data, sizes in bytes."""
        return {"service": self.service, "image": self.image, **asdict(self)}

    def text(self, columns: int = 80) -> str:
        """The three lists for people, no line wider than `columns`."""
        lines = [f"{self.service}: {one_line(self.image)}"]
        lines += _list("layers", ((one.size, truncate(one.instruction or "-", columns - 12)) for one in self.layers))
        files = (
            (one.size, shorten_middle(one_line(one.path), columns - 12 - len(note)) + note)
            for one in self.inside.files
            for note in (_HIDDEN if one.hidden else "",)
        )
        lines += _list("files", files)
        folders = ((one.size, shorten_middle(one_line(one.path), columns - 13) + "/") for one in self.inside.folders)
        lines += _list("folders", folders)
        if not self.inside.whole:
            lines.append("not all of the image could be read: there may be larger files")
        return "\n".join(lines)


def why(api: DockerClient, service: str, image: str, most: int = MOST) -> Why:
    """Look into an image of the local engine; its content is streamed, and never unpacked.

    Raises Failed when the image is not there, or the engine does not give it.
    """
    from docker.errors import DockerException, ImageNotFound
    from requests.exceptions import RequestException

    try:
        found = sorted(layers(api, image), key=lambda layer: -layer.size)
        stream = api.images.get(image).save(named=False)
        return Why(service, image, tuple(found[:most]), inside.look(stream, most))
    except ImageNotFound:
        raise Failed(
            f"the image of {service} is not in the local engine: its content cannot be looked into",
            where=image,
            now="nothing was changed",
            hint=f"docker pull {image}",
        ) from None
    except (DockerException, RequestException) as error:
        raise Failed(
            f"the engine does not give the image of {service}: {error}", where=image, now="nothing was changed"
        ) from error


def _list(title: str, rows: Iterator[tuple[int, str]]) -> Sequence[str]:
    shown = [f"{size(count):>8}  {text}" for count, text in rows]
    return ["", f"largest {title}", *(f"  {line}" for line in shown)] if shown else []
