"""The layers of an image in the local engine: what each instruction of its Dockerfile added."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient

_BUILD_ARGUMENTS = re.compile(r"^(RUN )?\|\d+ .*?(?=/bin/\w*sh )")
_SHELL = re.compile(r"^(RUN )?/bin/\w*sh -\w*c\w* ")
_NOTHING_DONE = re.compile(r"^\s*#\(nop\)\s*")
_BUILDKIT = re.compile(r"\s*# buildkit\s*$")


@dataclass(frozen=True)
class Layer:
    """What one instruction of a Dockerfile added: bytes, unpacked. `instruction` is one line, and empty if unknown."""

    size: int
    instruction: str


def layers(api: DockerClient, image: str) -> tuple[Layer, ...]:
    """The layers of an image in the local engine that hold anything, the first one first.

    Raises docker's ImageNotFound and APIError.
    """
    return of_history(api.images.get(image).history())


def unpacked(api: DockerClient, image: str) -> int:
    """Bytes of an image in the local engine, unpacked: the sum of its layers.

    The same in every store. `docker images` adds the compressed layers where the store is that of containerd, and
    `docker image inspect` has only those. Raises as `layers` does.
    """
    return sum(layer.size for layer in layers(api, image))


def of_history(history: Sequence[Mapping[str, Any]]) -> tuple[Layer, ...]:
    """The layers in an answer of the engine, which has the last one first."""
    found = [Layer(int(each.get("Size") or 0), instruction(str(each.get("CreatedBy") or ""))) for each in history]
    return tuple(layer for layer in reversed(found) if layer.size)


def instruction(created_by: str) -> str:
    """The instruction as its Dockerfile has it, from how builders note it: without the shell, values and comments."""
    text = _BUILDKIT.sub("", " ".join(created_by.split()))
    was_run = text.startswith(("RUN ", "|")) or bool(_SHELL.match(text))
    text = _BUILD_ARGUMENTS.sub(r"\1", text)
    text = _SHELL.sub("", text)
    if plain := _NOTHING_DONE.match(text):
        return text[plain.end() :].strip()
    return f"RUN {text.removeprefix('RUN ')}" if was_run else text
