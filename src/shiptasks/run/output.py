"""Which listener speaks to the person: live on a terminal, plain elsewhere and in CI, on stderr when stdout is data."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Literal, TextIO

from shiptasks.errors import ShiptasksError
from shiptasks.run.events import Failure, Listener
from shiptasks.run.folds import folds_of
from shiptasks.run.plain import Plain
from shiptasks.run.text import clean

Format = Literal["text", "json"]
FORMATS: tuple[Format, ...] = ("text", "json")
_NOT_CI = ("", "0", "false")
_PLAIN_COLUMNS = 120  # a CI log has no width of its own


def listener(
    format: str,
    *,
    environ: Mapping[str, str] = os.environ,
    quiet: bool = False,
    verbose: bool = False,
    prefix: str = "",
) -> Listener:
    """The listener for this process. In `json` people read stderr: stdout holds one document and nothing else.

    With `quiet` failures and the last line are all; with `verbose` output is told line by line as it comes. `prefix`
    is where the folder of pyproject.toml is in the repository, such as `apps/shop/`.
    """
    stream = sys.stderr if format == "json" else sys.stdout
    return listener_on(stream, environ, quiet=quiet, verbose=verbose, prefix=prefix)


def listener_on(
    stream: TextIO,
    environ: Mapping[str, str] = os.environ,
    *,
    quiet: bool = False,
    verbose: bool = False,
    prefix: str = "",
) -> Listener:
    """The listener for a stream: NO_COLOR, FORCE_COLOR, TERM, CI and COLUMNS decide how it looks.

    NO_COLOR wins over FORCE_COLOR, as in rich, pytest and Python itself; FORCE_COLOR=0 is no colour.
    """
    forced = environ.get("FORCE_COLOR", "")
    no_color = bool(environ.get("NO_COLOR")) or forced == "0"
    if stream.isatty() and environ.get("TERM") != "dumb" and environ.get("CI", "") in _NOT_CI:
        from shiptasks.run.console import Console

        return Console(stream, no_color=no_color, quiet=quiet, verbose=verbose)
    folds = folds_of(environ, prefix)
    return Plain(
        stream,
        columns=columns_of(stream, environ),
        colour=bool(forced) and not no_color,
        folds=folds,
        stamps=folds is None,
        quiet=quiet,
        verbose=verbose,
    )


def told_again(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Plain:
    """The listener that shows the events of a run that is over, with the times of then."""
    forced = environ.get("FORCE_COLOR", "")
    wanted = bool(forced) or (stream.isatty() and environ.get("TERM") != "dumb")
    colour = wanted and not environ.get("NO_COLOR") and forced != "0"
    folds = folds_of(environ)
    return Plain(stream, columns=columns_of(stream, environ), colour=colour, folds=folds, patience=None, stamps=True)


def columns_of(stream: TextIO, environ: Mapping[str, str] = os.environ) -> int:
    """How wide a stream is: its terminal, else COLUMNS, else as wide as a log is read well."""
    known = environ.get("COLUMNS") or stream.isatty()
    return shutil.get_terminal_size((_PLAIN_COLUMNS, 24)).columns if known else _PLAIN_COLUMNS


def failure_of(error: ShiptasksError) -> Failure:
    """The event that tells of an error."""
    return Failure(
        what=error.what,
        where=error.where,
        now=error.now,
        hint=error.hint,
        details=error.details,
        exit_code=error.exit_code,
    )


def show_error(error: ShiptasksError) -> None:
    """Show an error that happened before any run began, on stderr."""
    listener_on(sys.stderr).handle(failure_of(error))
    error.reported = True


def to_people(text: str, *, aside: bool = False) -> None:
    """Show a text that belongs to no run, on stdout, or on stderr where stdout is data."""
    stream = sys.stderr if aside else sys.stdout
    stream.write(printable(text) + "\n")
    stream.flush()


def printable(text: str) -> str:
    """The text without what could drive the terminal, or what the terminal's encoding cannot say."""
    cleaned = "\n".join(clean(line) for line in text.split("\n"))
    encoding = sys.stdout.encoding or "utf-8"
    return cleaned.encode(encoding, "backslashreplace").decode(encoding)


def text_of(error: ShiptasksError) -> str:
    """An error as `show_error` shows it, as a text without colour."""
    columns = shutil.get_terminal_size((_PLAIN_COLUMNS, 24)).columns if sys.stderr.isatty() else _PLAIN_COLUMNS
    text = io.StringIO()
    Plain(text, columns=columns, colour=False, folds=None).handle(failure_of(error))
    return text.getvalue().rstrip("\n")


def debugging(environ: Mapping[str, str] = os.environ) -> bool:
    """True when a person asked for tracebacks: `--debug` or SHIPTASKS_DEBUG=1."""
    return environ.get("SHIPTASKS_DEBUG", "") not in ("", "0")


def as_format(value: str) -> Format:
    """The format of that name. The task surface has checked it; raises ValueError otherwise."""
    for known in FORMATS:
        if value == known:
            return known
    raise ValueError(f"{value!r} is not one of {', '.join(FORMATS)}")
