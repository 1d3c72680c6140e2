"""Coverage of all stages put together: one model, one report, its threshold, and its trend on the default branch."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shiptasks.check import coverage_report, lcov, memory
from shiptasks.check.coverage_model import Coverage, FileCoverage, Files, Totals, shown, summed, united
from shiptasks.check.coverage_py import CoveragePy, is_data, program
from shiptasks.check.preset import Unreadable
from shiptasks.errors import Failed
from shiptasks.run.graph import side_by_side

if TYPE_CHECKING:
    from shiptasks.check.sections import CoverageRules

__all__ = ["Coverage", "Delta", "StageCoverage", "Totals", "combine", "delta", "remember", "short"]

_MEMORY = "coverage-base.json"


@dataclass(frozen=True)
class StageCoverage:
    """What a stage measured."""

    files: tuple[Path, ...]
    """Data files of coverage.py, and LCOV files; an HTML report beside one is `lcov-report/`."""
    cwd: Path
    """Where it ran: names in LCOV are relative to it, and coverage.py finds its configuration there."""
    argv: tuple[str, ...] = ()
    """The command that ran the tests: coverage.py is taken from the same environment."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """The environment of that command."""


@dataclass(frozen=True)
class Delta:
    """How coverage changed, in points, against the last run on the default branch."""

    branch: str
    revision: str
    before: float
    points: float
    services: Mapping[str, float]

    def __str__(self) -> str:
        """`+0.4 points against main`, `as on main`."""
        change = f"{self.points:+.1f}"
        return f"as on {self.branch}" if change in ("+0.0", "-0.0") else f"{change} points against {self.branch}"


def combine(
    stages: Mapping[str, StageCoverage], root: Path, contexts: Mapping[str, str], out: Path, reports: Path
) -> Coverage:
    """All that the stages measured, by their ids; `contexts` are the folders of the services relative to `root`.

    Data files of stages that ran in one folder are combined by coverage.py, under the configuration of that folder.
    Works in `out`, and replaces in `reports`: `coverage/index.html`, `coverage.xml`, `lcov.info`, `coverage.json`.
    Raises Failed when a stage has measured nothing, and when what it has left cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    pages = out / "html"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir()
    titles: dict[str, str] = {}
    parts: list[Files] = []
    measured: dict[Path, list[Path]] = {}
    for name, stage in stages.items():
        if not stage.files:
            raise Failed(
                f"{name} measured no coverage",
                where=str(stage.cwd),
                hint="let its tests import what they test; for pytest see `source` in [tool.coverage.run]",
            )
        for file in stage.files:
            if _is_data(name, file):
                measured.setdefault(stage.cwd, []).append(file)
            else:
                parts.append(_lcov(name, file, stage.cwd, root))
                _copy_page(file.parent / "lcov-report", pages, name, titles)
    work = []
    for number, (cwd, files) in enumerate(measured.items()):
        stage = next(stage for stage in stages.values() if stage.cwd == cwd and set(files) & set(stage.files))
        tool = CoveragePy(program(stage.argv, stage.environ), cwd, out / f".coverage-{number}", stage.environ)
        title = f"Python in {_relative(cwd, root)}" if cwd != root else "Python"
        page = _page(pages, title)
        titles[title] = f"{page.name}/index.html"
        work.append(partial(_of_folder, tool, files, page, root))
    for outcome in side_by_side(work):
        if outcome.error is not None:
            raise outcome.error
        parts.append(outcome.value or {})
    coverage = summed(united(parts), contexts)
    _publish(coverage, root, pages, titles, reports)
    return coverage


def _of_folder(tool: CoveragePy, files: list[Path], page: Path, root: Path) -> Files:
    tool.combine(files)
    tool.html(page)
    return {_relative(Path(path), root): one for path, one in tool.files().items()}


def _is_data(name: str, file: Path) -> bool:
    try:
        return is_data(file)
    except OSError as error:
        raise Failed(f"the coverage of {name} cannot be read: {error.strerror}", where=str(file)) from None


def _lcov(name: str, file: Path, cwd: Path, root: Path) -> dict[str, FileCoverage]:
    try:
        found = lcov.read(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise Failed(f"the coverage of {name} is neither data of coverage.py nor LCOV", where=str(file)) from None
    except Unreadable as error:
        raise Failed(f"the coverage of {name} cannot be read: {error}", where=str(file)) from None
    files: dict[str, FileCoverage] = {}
    for written, one in found.items():
        path = next((base / written for base in (cwd, root) if _is_file(base / written)), None)
        if path is None:
            raise Failed(
                f"a file that was measured is not there: {written}",
                where=str(file),
                hint=f"name files relative to {_relative(cwd, root)}, and leave generated ones out",
            )
        key = _relative(path, root)
        files[key] = files[key] | one if key in files else one
    return files


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _relative(path: Path, root: Path) -> str:
    resolved = Path(os.path.normpath(path))
    for one, base in ((resolved, root), (resolved.resolve(), root.resolve())):
        if one == base or base in one.parents:
            return one.relative_to(base).as_posix()
    return resolved.as_posix()


def _page(pages: Path, title: str) -> Path:
    """A folder for the report of that title."""
    slug = re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-.") or "stage"
    taken = len(list(pages.glob(f"{slug}*")))
    return pages / (f"{slug}-{taken}" if taken else slug)


def _copy_page(source: Path, pages: Path, title: str, titles: dict[str, str]) -> None:
    if (source / "index.html").is_file():
        target = _page(pages, title)
        shutil.copytree(source, target)
        titles[title] = f"{target.name}/index.html"


def _publish(coverage: Coverage, root: Path, pages: Path, titles: Mapping[str, str], reports: Path) -> None:
    """Put the reports in the place of the last ones; those of an earlier run never stand beside those of this one."""
    reports.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".coverage-", dir=reports))
    try:
        shutil.copytree(pages, made / "coverage")
        coverage_report.write(coverage, root, made, titles, time.time())
        shutil.rmtree(reports / "coverage", ignore_errors=True)
        for entry in made.iterdir():
            entry.replace(reports / entry.name)
    except OSError as error:
        raise Failed(f"the coverage report cannot be written: {error.strerror}", where=str(reports)) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def short(coverage: Coverage, rules: CoverageRules, change: Delta | None) -> tuple[str, ...]:
    """Why the coverage is not enough, a sentence each; empty when it is.

    As coverage.py does it, the number that is shown is the number that is compared.
    """
    found = []
    if reason := _below(coverage.whole, rules.threshold):
        found.append(reason)
    for name, threshold in rules.services.items():
        if reason := _below(coverage.services.get(name, Totals()), threshold):
            found.append(f"{name}: {reason}")
    drop = round(-change.points, 2) if change is not None else 0.0
    if change is not None and rules.max_drop is not None and drop > rules.max_drop:
        found.append(
            f"{shown(coverage.percent)} %, {drop:g} points below {change.branch}: max-drop allows {rules.max_drop:g}"
        )
    return tuple(found)


def _below(totals: Totals, threshold: float | None) -> str:
    if not threshold:
        return ""
    if not totals.lines:
        return f"nothing was measured of {threshold:g} %"
    digits = max(1, len(f"{threshold:g}".partition(".")[2]))
    percent = shown(totals.percent, digits)
    return f"{percent} % of {threshold:g} %" if float(percent) < threshold else ""


def remember(coverage: Coverage, state_dir: Path, branch: str, revision: str) -> None:
    """Keep the totals as those of the default branch, which later runs are compared with. Raises Failed."""
    data = {"schema": 1, "branch": branch, "revision": revision, "at": time.time(), **coverage.data()}
    try:
        memory.keep(state_dir / _MEMORY, data)
    except OSError as error:
        raise Failed(f"the coverage cannot be kept: {error.strerror}", where=str(state_dir / _MEMORY)) from None


def delta(coverage: Coverage, state_dir: Path) -> Delta | None:
    """The change against what `remember` kept; None when there is nothing, or nothing that can be read."""
    kept = memory.recall(state_dir / _MEMORY)
    if kept is None:
        return None
    try:
        before = float(kept["percent"])
        services = {str(name): float(one["percent"]) for name, one in kept["services"].items()}
        branch, revision = str(kept["branch"]), str(kept["revision"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Delta(
        branch,
        revision,
        before,
        coverage.percent - before,
        {name: totals.percent - services[name] for name, totals in coverage.services.items() if name in services},
    )
