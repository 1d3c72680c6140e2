"""pylint, from version 2.17 on."""

from __future__ import annotations

from collections.abc import Iterator

from shiptasks.check.preset import Ended, Preset, Reading, Request, Unreadable
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding

_TAKES = targets.by_suffix(".py")
# Its exit code is a sum of bits: 2, 4, 8 and 16 say which kinds of message there are.
_FATAL, _USAGE, _ANY = 1, 32, range(1, 32)


def _command(request: Request) -> tuple[str, ...]:
    # By itself it would walk into virtual environments, so it gets the files; module names are not for us to look up.
    if request.paths and request.files is None:
        paths = targets.guarded(request.paths)
    else:
        paths = targets.files(request, "Python file", lambda path: _TAKES(path.name))
    return ("pylint", "--output-format=json", "--recursive=y", *request.args, "--", *paths)


def _read(request: Request, ended: Ended) -> Reading:
    if ended.exit_code & _USAGE or ended.exit_code < 0:
        raise reading.failure("pylint", ended)
    messages = reading.listed("pylint", reading.parsed("pylint", ended, ended.stdout))
    for entry in messages:
        if entry.text("type") == "fatal":
            raise Unreadable(f"pylint could not do all: {reading.shortened(entry.text('message'))}")
    if ended.exit_code & _FATAL:
        raise reading.failure("pylint", ended)
    return reading.verdict("pylint", ended, tuple(_findings(request, messages)), found=_ANY)


def _findings(request: Request, messages: tuple[reading.Entry, ...]) -> Iterator[Finding]:
    """Its columns count from 0."""
    for entry in messages:
        yield reading.finding(
            request,
            entry.text("path"),
            entry.number("line"),
            entry.text("message-id"),
            f"{entry.text('message')} ({entry.text('symbol')})",
            reading.severity_of(entry.text("type")),
            entry.number("column", -1) + 1,
        )


PRESET = Preset(
    name="pylint",
    kind="lint",
    install="pip install pylint",
    command=_command,
    read=_read,
    takes=_TAKES,
    version=("pylint", "--version"),
)
