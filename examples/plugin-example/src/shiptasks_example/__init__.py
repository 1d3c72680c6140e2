"""One plugin of each kind for shiptasks."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shiptasks import Project
from shiptasks.config.section import Section
from shiptasks.hosts.base import Host
from shiptasks.hosts.local import LocalHost
from shiptasks.plugins.protocols import Finding
from shiptasks.run.events import Event, RunFinished, RunStarted
from shiptasks.verify.model import Check, Expected, Facts, Verdict


class PageOptions(Section):
    """`[tool.shiptasks.plugins.page]`"""

    path: str = "/"
    """What to ask for."""
    text: str
    """What has to be in the answer."""


class Page:
    """A check: a page of the environment holds a text."""

    options = PageOptions

    def __init__(self, options: PageOptions) -> None:
        self.wanted = options

    def checks(self, project: Project, expected: Mapping[str, Expected]) -> Iterable[Check]:
        yield PageHolds(project.target.url.rstrip("/") + self.wanted.path, self.wanted.text)


@dataclass(frozen=True)
class PageHolds:
    """`GET <url>` holds the text."""

    url: str
    text: str
    group: str = "pages"
    host: str = ""
    service: str = ""

    @property
    def target(self) -> str:
        return f"GET {self.url}"

    def look(self, facts: Facts) -> Verdict:
        with urllib.request.urlopen(self.url, timeout=5) as response:
            body = response.read(1_000_000).decode(errors="replace")
        if self.text in body:
            return Verdict("ok", f"holds {self.text!r}")
        return Verdict("fail", f"does not hold {self.text!r}", tuple(body.splitlines()[:3]), "look at the page")


class Diary:
    """A notifier: writes a line when a run begins and when it ends."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        if not isinstance(options.get("file"), str):
            raise ValueError("`file` says where the diary is")
        self.file = Path(options["file"])

    def handle(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.write(f"{event.task} of {event.project} began")
        elif isinstance(event, RunFinished):
            self.write(f"it ended: {event.outcome}")

    def write(self, line: str) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


class Todos:
    """A scanner: every `FIXME` is a finding; one with `!` blocks."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.suffix = str(options.get("suffix", ".py"))

    def command(self, project: Project) -> Sequence[str]:
        return (sys.executable, "-m", "shiptasks_example", self.suffix)

    def findings(self, stdout: str, stderr: str, exit_code: int) -> Iterable[Finding]:
        for one in json.loads(stdout):
            yield Finding(one["file"], one["line"], "fixme", one["text"], "high" if one["loud"] else "low")


class Here:
    """A way to hosts: `here://anything` is this machine."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options

    def connect(self, project: Project, address: str) -> Host:
        return LocalHost()
