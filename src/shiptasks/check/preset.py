"""What a preset is: a tool that check knows how to call, and whose own machine output it can read.

A preset is a value of `Preset`, in a module of `shiptasks.check.presets`; adding one is adding a value there. It never
runs anything itself: it says what to run (`command`) and what the end of it means (`read`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from shiptasks.plugins.protocols import Finding

if TYPE_CHECKING:
    from shiptasks.check.reports import TestReport


class Unreadable(Exception):
    """What the tool wrote is not what it writes when it has worked: the stage has failed, whatever the exit code."""


@dataclass(frozen=True)
class Request:
    """What a stage asks of its preset. All paths in `paths` and `files` are relative to `cwd`, with `/`."""

    root: Path
    """Folder of pyproject.toml: the files of findings are relative to it."""
    cwd: Path
    """Where the tool runs: `root`, or the folder of a service."""
    out: Path
    """A folder of this stage alone, which exists when the tool runs: for report files."""
    args: tuple[str, ...] = ()
    """Further arguments that the configuration gives."""
    paths: tuple[str, ...] = ()
    """What to look at, as configured; empty for what the tool takes by itself."""
    files: tuple[str, ...] | None = None
    """With `--changed`, the files that differ and that this tool takes; never empty. None: no such limit."""
    fix: bool = False
    """Mend what can be mended, and tell what is left."""
    coverage: bool = False
    """Measure coverage, where the tool can."""
    again: bool = False
    """Run only the tests that failed in the last run of this stage."""
    shard: tuple[int, int] | None = None
    """(2, 4): only the second quarter of the tests."""


@dataclass(frozen=True)
class Ended:
    """How the tool ended. The outputs are complete unless it wrote more than 32 MB."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Reading:
    """What a tool's end means. `detail` is a few words for the stage's line; empty: the tool's own last line."""

    passed: bool
    findings: tuple[Finding, ...] = ()
    detail: str = ""
    tests: TestReport | None = None


@dataclass(frozen=True)
class Preset:
    """A tool that check knows."""

    name: str
    kind: Literal["lint", "test"]
    install: str
    """What to type to get the tool."""
    command: Callable[[Request], tuple[str, ...]]
    """The program and its arguments. `command(request)[0]` is what has to be installed. Raises Failed when there is
    nothing for it to look at."""
    read: Callable[[Request, Ended], Reading]
    """Raises Unreadable."""
    takes: Callable[[str], bool] | None = None
    """Whether a file, by its path, is for this tool; None when the tool cannot be limited to files."""
    can_fix: bool = False
    can_rerun: bool = False
    can_shard: bool = False
    coverage: Literal["", "python", "lcov"] = ""
    """What a stage with `coverage` leaves in `out`: `.coverage*` data files of coverage.py, or `lcov.info`."""
    environ: Callable[[Request], dict[str, str]] = field(default=lambda _: {})
    """Variables that the tool needs beside those of the process."""
    version: tuple[str, ...] = ()
    """What prints the tool's version; part of the key under which a result is cached."""
