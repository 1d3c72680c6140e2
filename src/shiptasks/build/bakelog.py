"""What `docker buildx bake` writes while it works, as values: one reader for its JSON stream, one for its plain text.

Both are fed line by line. BuildKit calls a unit of work a vertex; the same vertex may belong to several images.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from shiptasks.run.events import Stream

_HEADER = re.compile(r"#(\d+) (?!DONE |CACHED|ERROR: |WARN: |CANCELED|sha256:)(\S.*)")
_LOG = re.compile(r"#(\d+) \d+\.\d+ ?(.*)")
_END = re.compile(r"#(\d+) (?:(DONE) [\d.]+s|(CACHED)|ERROR: (.*)|(CANCELED))")


@dataclass(frozen=True)
class Vertex:
    """A unit of work as it stands now: `name` as in `[api 2/4] RUN make`."""

    id: str
    name: str
    started: bool
    completed: bool
    cached: bool = False
    error: str = ""


@dataclass(frozen=True)
class Log:
    """What the process of a vertex wrote: a piece of text that need not end where a line ends."""

    vertex: str
    text: str
    stream: Stream = "stdout"


@dataclass(frozen=True)
class Text:
    """A line that bake itself wrote: warnings, the error, and the place in the Dockerfile."""

    line: str


Record = Vertex | Log | Text


class Reader(Protocol):
    """Takes the lines in order, yields what each of them completes."""

    def feed(self, line: str) -> Iterator[Record]: ...


class RawJson:
    """Reads `--progress=rawjson`: JSON objects, indented over many lines or one a line, among lines of text."""

    def __init__(self) -> None:
        self._pending: list[str] = []

    def feed(self, line: str) -> Iterator[Record]:
        if not self._pending and line.startswith('{"'):
            yield from self._parse(line)
        elif self._pending or line == "{":
            self._pending.append(line)
            if line == "}":
                text, self._pending = "\n".join(self._pending), []
                yield from self._parse(text)
        elif line.strip():
            yield Text(line)

    def _parse(self, text: str) -> Iterator[Record]:
        try:
            status: dict[str, Any] = json.loads(text)
        except ValueError:
            yield from (Text(line) for line in text.splitlines())
            return
        for vertex in status.get("vertexes") or ():
            yield Vertex(
                id=vertex["digest"],
                name=vertex.get("name", ""),
                started=bool(vertex.get("started")),
                completed=bool(vertex.get("completed")),
                cached=bool(vertex.get("cached")),
                error=vertex.get("error", ""),
            )
        for log in status.get("logs") or ():
            data = base64.b64decode(log.get("data") or "").decode("utf-8", errors="replace")
            yield Log(log["vertex"], data, "stderr" if log.get("stream") == 2 else "stdout")


class Plain:
    """Reads `--progress=plain`, for buildx before 0.13."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def feed(self, line: str) -> Iterator[Record]:
        if match := _END.fullmatch(line):
            name = self._names.get(match[1], "")
            error = match[4] or ("context canceled" if match[5] else "")
            yield Vertex(match[1], name, started=True, completed=True, cached=bool(match[3]), error=error)
        elif match := _LOG.fullmatch(line):
            yield Log(match[1], match[2] + "\n")
        elif (match := _HEADER.fullmatch(line)) and match[1] not in self._names:
            self._names[match[1]] = match[2]
            yield Vertex(match[1], match[2], started=True, completed=False)
        elif match:
            pass  # how far a transfer is
        elif line.strip() and not line.startswith("#"):
            yield Text(line)
