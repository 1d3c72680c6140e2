"""Runs the coverage.py that is installed beside the tests: it alone can read its data files, and knows its rules."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from shiptasks.check.coverage_model import FileCoverage
from shiptasks.errors import Failed
from shiptasks.run import process

_INSTALL = "pip install coverage"
_HEADER = b"SQLite format 3\0"
_TIMEOUT = 600.0  # seconds; HTML of thousands of files takes one or two minutes


def is_data(path: Path) -> bool:
    """Whether a file is one in which coverage.py keeps what it measured. Raises OSError."""
    with path.open("rb") as stream:
        return stream.read(len(_HEADER)) == _HEADER


def program(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The command that runs coverage.py in the environment of the pytest that `argv` runs.

    `uv run --python 3.12 pytest …` gives `uv run --python 3.12 python -m coverage`; a pytest on PATH gives the
    interpreter that is beside it, or in its first line. Without a pytest it is the `coverage` on PATH.
    """
    for index, word in enumerate(argv):
        if Path(word).name not in ("pytest", "py.test"):
            continue
        if index > 1 and argv[index - 1] == "-m":
            return (*argv[:index], "coverage")
        if index:
            return (*argv[:index], "python", "-m", "coverage")
        found = shutil.which(word, path=environ.get("PATH"))
        interpreter = _interpreter(Path(found)) if found else ""
        return (interpreter, "-m", "coverage") if interpreter else ("coverage",)
    return ("coverage",)


def _interpreter(script: Path) -> str:
    """The Python that an installed script runs with; empty when it cannot be seen."""
    beside = script.parent / "python"
    if (script.parent.parent / "pyvenv.cfg").is_file() and beside.is_file():
        return str(beside)
    try:
        with script.open("rb") as stream:
            first = stream.readline(1_000).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    word = first.removeprefix("#!").strip()
    return word if first.startswith("#!") and Path(word).is_file() and "python" in Path(word).name else ""


@dataclass(frozen=True)
class CoveragePy:
    """coverage.py in one folder, whose configuration it takes, with one combined data file."""

    program: tuple[str, ...]
    cwd: Path
    data: Path
    environ: Mapping[str, str]

    def combine(self, files: Sequence[Path]) -> None:
        """Make `data` of these files, which stay as they are. Raises Failed."""
        output = self._run("combine", "--keep", *map(str, files))
        if "Couldn't use data file" in output:
            self._fail(output)

    def files(self) -> dict[str, FileCoverage]:
        """What was measured, by absolute path, exactly as coverage.py counts it. Raises Failed."""
        report = self.data.with_name(f"{self.data.name}.json")
        self._run("json", "--fail-under=0", "-o", str(report))
        try:
            found = json.loads(report.read_text(encoding="utf-8"))["files"]
            files = {str(self.cwd / name): _file(one) for name, one in found.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Failed(
                "what coverage.py wrote as JSON cannot be read",
                where=str(report),
                hint="pip install --upgrade coverage: 7.0 or later is needed",
            ) from error
        if not any(one.lines for one in files.values()):
            self._fail("No data to report: all that was measured is omitted")
        return files

    def html(self, folder: Path) -> None:
        """Its own HTML report. Raises Failed."""
        self._run("html", "--fail-under=0", "-d", str(folder))

    def _run(self, *words: str) -> str:
        environ = {**self.environ, "COVERAGE_FILE": str(self.data)}
        argv = (*self.program, *words)
        result = process.run(argv, cwd=self.cwd, env=environ, check=False, timeout=_TIMEOUT, hint=_INSTALL)
        output = f"{result.stderr}\n{result.stdout}"
        if not result.ok:
            self._fail(output)
        return output

    def _fail(self, output: str) -> NoReturn:
        lines = tuple(line.strip() for line in output.splitlines() if line.strip())[-10:]
        where = str(self.cwd)
        if "No module named coverage" in output or "No module named 'coverage'" in output:
            raise Failed("coverage.py is not installed beside pytest", where=self.program[0], hint=_INSTALL)
        if "Can't combine" in output:
            raise Failed(
                "some tests measured branches and others did not: their coverage cannot be combined",
                where=where,
                hint="set `branch = true` in each [tool.coverage.run], or in none",
                details=lines,
            )
        if gone := re.search(r"No source for code: '(.+?)'", output):
            raise Failed(
                f"a file that was measured is not there any more: {gone[1]}",
                where=where,
                hint="leave it out by `omit` in [tool.coverage.run], or say by [tool.coverage.paths] where it is",
            )
        if unusable := re.search(r"Couldn't use data file '(.+?)': (.+)", output):
            raise Failed(
                f"coverage.py cannot read a data file: {unusable[2]}",
                where=unusable[1],
                hint="measure and combine with the same version of coverage.py",
            )
        if "No data to report" in output or "No data to combine" in output or "No usable data files" in output:
            raise Failed(
                "coverage.py measured nothing",
                where=where,
                hint="set `source` in [tool.coverage.run] to the package that is tested",
                details=lines,
            )
        raise Failed("coverage.py failed", where=where, details=lines)


def _file(report: Mapping[str, Any]) -> FileCoverage:
    lines = {int(line): 0 for line in report["missing_lines"]} | {int(line): 1 for line in report["executed_lines"]}
    branches = {}
    for key, taken in (("missing_branches", False), ("executed_branches", True)):
        for start, end in report.get(key, ()):
            branches[(int(start), f"to {end}" if end > 0 else "to the exit")] = taken
    summary = report["summary"]
    count, reached = int(summary.get("num_branches", 0)), int(summary.get("covered_branches", 0))
    unnamed = (count - len(branches), reached - sum(branches.values()))
    return FileCoverage(dict(sorted(lines.items())), branches, unnamed)
