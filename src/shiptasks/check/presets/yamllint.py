"""yamllint, from version 1.20 on. It gets the files, so that it does not walk into `node_modules`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.check.preset import Ended, Preset, Reading, Request
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding

_TAKES = targets.by_suffix(".yml", ".yaml")
_STRICT = 2  # with --strict: warnings, and no error
_LINE = re.compile(
    rf"{reading.PATH}:{reading.LINE}:{reading.COLUMN}: \[(?P<level>\w+)\] (?P<message>[^\n]*?)"
    r"(?: \((?P<rule>[\w-]+)\))?(?:\n|\Z)"
)


def _command(request: Request) -> tuple[str, ...]:
    paths = targets.files(request, "YAML file", lambda path: _TAKES(path.name))
    return ("yamllint", "--format", "parsable", *request.args, "--", *paths)


def _read(request: Request, ended: Ended) -> Reading:
    findings = tuple(_findings(request, ended))
    return reading.verdict("yamllint", ended, findings, found=(1, _STRICT))


def _findings(request: Request, ended: Ended) -> Iterator[Finding]:
    """The output has nothing but findings. Raises Unreadable for anything else."""
    said = reading.plain(ended.stdout)
    at = 0
    while at < len(said.rstrip()):
        match = _LINE.match(said, at)
        if match is None:
            raise reading.failure("yamllint", ended)
        rule, level = match["rule"] or "yamllint", match["level"]
        line, column = int(match["line"]), int(match["column"])
        severity = reading.severity_of(level)
        yield reading.finding(request, match["path"], line, rule, match["message"], severity, column)
        at = match.end()


PRESET = Preset(
    name="yamllint",
    kind="lint",
    install="pip install yamllint",
    command=_command,
    read=_read,
    takes=_TAKES,
    version=("yamllint", "--version"),
)
