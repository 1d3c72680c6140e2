"""eslint, from version 8 on: the one in the nearest `node_modules`, else the one on PATH."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.check.preset import Ended, Preset, Reading, Request
from shiptasks.check.presets import reading, targets
from shiptasks.plugins.protocols import Finding

_TAKES = targets.by_suffix(".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx", ".vue", ".svelte", ".astro")
_ERROR = 2
_REASON = re.compile(r"^ESLint: [0-9]\S*\s+^(\S.*)$", re.MULTILINE)  # what follows is advice, or a stack
_IGNORED = "File ignored "  # said of a file that is named and that its configuration leaves out


def _command(request: Request) -> tuple[str, ...]:
    fix = ("--fix",) if request.fix else ()
    # Its paths may be patterns: what there is, is its own to say, and it fails when there is nothing.
    paths = targets.guarded(request.paths or (".",) if request.files is None else request.files)
    return (_program(request), "--format", "json", *fix, *request.args, "--", *paths)


def _program(request: Request) -> str:
    """The path of the project's own eslint: from the tool's folder upwards, as Node looks for it, to the root."""
    inside = request.cwd.is_relative_to(request.root)
    for folder in (request.cwd, *(request.cwd.parents if inside else ())):
        local = folder / "node_modules" / ".bin" / "eslint"
        if local.is_file():
            return str(local)
        if folder == request.root:
            break
    return "eslint"


def _read(request: Request, ended: Ended) -> Reading:
    if ended.exit_code not in (0, 1):
        reason = _REASON.search(reading.plain(ended.stderr))
        raise reading.failure("eslint", Ended(ended.exit_code, "", reason[1]) if reason else ended)
    files = reading.listed("eslint", reading.parsed("eslint", ended, ended.stdout))
    return reading.verdict("eslint", ended, tuple(_findings(request, files)))


def _findings(request: Request, files: tuple[reading.Entry, ...]) -> Iterator[Finding]:
    for file in files:
        for entry in file.each("messages"):
            message, is_error = entry.text("message"), entry.number("severity") >= _ERROR
            if request.files is not None and not is_error and message.startswith(_IGNORED):
                continue
            yield reading.finding(
                request,
                file.text("filePath"),
                entry.number("line", 0),
                entry.text("ruleId", "parse-error" if is_error else "eslint"),
                message,
                "high" if is_error else "medium",
                entry.number("column", 0),
            )


PRESET = Preset(
    name="eslint",
    kind="lint",
    install="npm install --save-dev eslint",
    command=_command,
    read=_read,
    takes=_TAKES,
    can_fix=True,
    version=("eslint", "--version"),
)
