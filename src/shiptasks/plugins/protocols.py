"""What a plugin has to be. The entry point is a factory: called with its options, it gives one of these.

A factory may be a class. Where it has an attribute `options` that is a `Section` (shiptasks.config.section), the table
`[tool.shiptasks.plugins.<name>]` is checked against it, and the factory gets that; else it gets the table as it is.
A factory raises ValueError for options that it cannot use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from shiptasks.config.model import Project
    from shiptasks.hosts.base import Host
    from shiptasks.run.events import Event
    from shiptasks.verify.model import Check, Expected

Severity = Literal["critical", "high", "medium", "low", "info"]
BLOCKING: tuple[Severity, ...] = ("critical", "high")


class Checks(Protocol):
    """`shiptasks.checks`: further checks of `inv verify`."""

    def checks(self, project: Project, expected: Mapping[str, Expected]) -> Iterable[Check]:
        """The checks for what was deployed, by host. One that cannot look raises: that is an error, never a pass."""


class Notifier(Protocol):
    """`shiptasks.notifiers`: is told what happens, in a thread of its own, as events (shiptasks.run.events)."""

    def handle(self, event: Event) -> None:
        """What it raises is told as a warning, and changes nothing."""


class Hosts(Protocol):
    """`shiptasks.hosts`: a way to the hosts whose address is `<name>://…`."""

    def connect(self, project: Project, address: str) -> Host:
        """The host behind what stands after `://`. Nothing is sent before its first session is opened."""


@dataclass(frozen=True)
class Finding:
    """Something that a tool found. `line` and `column` count from 1, and are 0 where there is none."""

    file: str
    line: int
    rule: str
    message: str
    severity: Severity
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.severity}: {self.rule}: {self.message}"


class Scanner(Protocol):
    """`shiptasks.scanners`: a stage of `inv check` that runs a program and reads findings from what it writes."""

    def command(self, project: Project) -> Sequence[str]:
        """The program and its arguments; it runs in the folder of pyproject.toml, without a shell."""

    def findings(self, stdout: str, stderr: str, exit_code: int) -> Iterable[Finding]:
        """What was found. Raises when the output cannot be read: then the stage has failed, whatever the exit code."""
