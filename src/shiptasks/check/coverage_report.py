"""The coverage as files for people and for CI: an index in HTML, Cobertura XML, LCOV, totals as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import quoteattr

from shiptasks.check import lcov
from shiptasks.check.coverage_model import Coverage, FileCoverage, Files, Totals, shown, total


def write(coverage: Coverage, root: Path, folder: Path, pages: Mapping[str, str], at: float) -> None:
    """Write `coverage.xml`, `lcov.info`, `coverage.json` and `coverage/index.html` into `folder`.

    `pages` are the reports of the tools by their titles, relative to the index; `at` in seconds since the epoch.
    """
    (folder / "coverage.xml").write_text("\n".join(_cobertura(coverage, root, at)) + "\n", encoding="utf-8")
    (folder / "lcov.info").write_text(lcov.write(coverage.files), encoding="utf-8")
    data = {"schema": 1, **coverage.data(), "files": {name: one.totals.data() for name, one in coverage.files.items()}}
    (folder / "coverage.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    (folder / "coverage").mkdir(exist_ok=True)
    (folder / "coverage" / "index.html").write_text("\n".join(_index(coverage, pages)) + "\n", encoding="utf-8")


def _cobertura(coverage: Coverage, root: Path, at: float) -> Iterator[str]:
    whole = coverage.whole
    counts = f'lines-valid="{whole.lines}" lines-covered="{whole.hit}" branches-valid="{whole.branches}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<coverage version="shiptasks" timestamp="{int(at * 1000)}" {counts} branches-covered="{whole.taken}"'
        f' {_rates(whole)} complexity="0">'
    )
    yield f"  <sources><source>{escape(_printable(str(root)))}</source></sources>"
    yield "  <packages>"
    for package, names in groupby(sorted(coverage.files, key=_by_folder), key=lambda name: _by_folder(name)[0]):
        files: Files = {name: coverage.files[name] for name in names}
        yield f'    <package name={_quoted(package.replace("/", "."))} {_rates(total(files))} complexity="0"><classes>'
        for name, one in files.items():
            yield from _class(name, one)
        yield "    </classes></package>"
    yield "  </packages>"
    yield "</coverage>"


def _class(name: str, one: FileCoverage) -> Iterator[str]:
    short = _quoted(PurePosixPath(name).name)
    yield f'      <class name={short} filename={_quoted(name)} {_rates(one.totals)} complexity="0"><methods/><lines>'
    at_line: dict[int, list[bool]] = {}
    for (line, _), taken in one.branches.items():
        at_line.setdefault(line, []).append(taken)
    for line, hits in sorted(one.lines.items()):
        branch = ""
        if line in at_line:
            reached, count = sum(at_line[line]), len(at_line[line])
            branch = f' branch="true" condition-coverage="{100 * reached // count}% ({reached}/{count})"'
        yield f'        <line number="{line}" hits="{hits}"{branch}/>'
    yield "      </lines></class>"


def _rates(totals: Totals) -> str:
    return f'line-rate="{_rate(totals.hit, totals.lines)}" branch-rate="{_rate(totals.taken, totals.branches)}"'


def _rate(hit: int, count: int) -> str:
    """As coverage.py: 0 is nothing at all, and 1 is everything."""
    if hit == count:
        return "1"
    return f"{min(max(hit / count, 0.0001), 0.9999):.4g}" if hit else "0"


def _by_folder(name: str) -> tuple[str, str]:
    return str(PurePosixPath(name).parent), name


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _quoted(text: str) -> str:
    return quoteattr(_printable(text))


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;margin-bottom:2rem}"
    "td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}"
    "td.n,th.n{text-align:right;white-space:nowrap}"
)


def _index(coverage: Coverage, pages: Mapping[str, str]) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Coverage</title><style>{_STYLE}</style>'
    yield f"<h1>Coverage: {shown(coverage.whole.percent)} %</h1>"
    if pages:
        yield "<h2>Line by line</h2><ul>"
        for title, target in pages.items():
            yield f'<li><a href="{escape(target)}">{escape(title)}</a></li>'
        yield "</ul>"
    if coverage.services:
        yield f"<h2>Services</h2>{_heading('Service', '')}"
        for name, totals in coverage.services.items():
            yield _row(name, totals, "")
        yield "</table>"
    yield f"<h2>Files</h2>{_heading('File', 'Lines that never ran')}"
    for name, one in coverage.files.items():
        yield _row(name, one.totals, ranges(one.missed))
    yield "</table></html>"


def _heading(first: str, last: str) -> str:
    cells = "".join(f'<th class="n">{name}</th>' for name in ("Covered", "Lines", "Branches"))
    return f"<table><tr><th>{first}</th>{cells}<th>{last}</th></tr>"


def _row(name: str, totals: Totals, last: str) -> str:
    percent = f"{shown(totals.percent)} %" if totals.lines else "nothing measured"
    counts = (percent, f"{totals.hit} of {totals.lines}", f"{totals.taken} of {totals.branches}")
    cells = "".join(f'<td class="n">{text}</td>' for text in counts)
    return f"<tr><td>{escape(_printable(name))}</td>{cells}<td>{last}</td></tr>"


def ranges(lines: tuple[int, ...]) -> str:
    """`3, 7–9` of sorted numbers."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in found)
