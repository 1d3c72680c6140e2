"""The words and columns that people read: pure functions from events to lines, shared by terminal and plain output."""

from __future__ import annotations

import re
import textwrap
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from shiptasks.run.events import Failure, Outcome, RunFinished, RunStarted

TAIL = 30
"""Lines of a failed step's output that are shown."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x09}
_SECONDS_WIDTH = 7
_STOPS = (0, 32, 52)  # where title, place and detail begin, as long as everything fits
_SHORTEST_FIELD = 6
_LEAST_WITH_TIME = 16  # columns; in fewer a line has no time

Line = Sequence[tuple[str, str]]
"""A line as parts of text and style: `ok`, `failed`, `warned`, `where`, `dim`, `bold`, or empty."""


@dataclass(frozen=True)
class Marks:
    """The one-character signs in front of a line."""

    ok: str = "✓"
    failed: str = "✗"
    skipped: str = "-"
    warned: str = "!"
    interrupted: str = "✗"
    cached: str = "≡"
    running: str = "›"
    ellipsis: str = "…"
    rule: str = "─"

    def of(self, outcome: Outcome) -> str:
        return str(getattr(self, outcome))


ASCII = Marks(
    ok="ok",
    failed="FAILED",
    warned="WARN",
    interrupted="STOPPED",
    cached="cached",
    running=">",
    ellipsis="...",
    rule="-",
)
"""For a stream that cannot say the others."""


def marks_for(encoding: str | None, signs: str = "") -> Marks:
    """The signs, where a stream of this encoding can say them and `signs`; else words."""
    try:
        ("".join(vars(Marks()).values()) + signs).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return Marks()


def clean(text: str) -> str:
    """`text` without escape sequences and control characters: what a process writes must not steer a terminal or CI."""
    return _ESCAPES.sub("", text).expandtabs(8).translate(_CONTROL)


def one_line(text: str) -> str:
    """The same as one line."""
    return clean(" ".join(text.split()))


def width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    wide = sum(1 for char in text if unicodedata.east_asian_width(char) in "WF")
    return len(text) + wide - sum(1 for char in text if unicodedata.combining(char))


def truncate(text: str, columns: int, ellipsis: str = "…") -> str:
    """`text` in at most so many columns, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    room = columns - width(ellipsis)
    kept = ""
    for char in text:
        if width(kept + char) > room:
            break
        kept += char
    return (kept.rstrip() + ellipsis) if room > 0 else ellipsis[: max(columns, 0)]


def shorten_middle(text: str, columns: int, ellipsis: str = "…") -> str:
    """`text`, such as a path, in at most so many columns: its end stays, and as much of its beginning as there is room.

    Of what is left two thirds are its end: that is where a path says the file.
    """
    if width(text) <= columns:
        return text
    room = columns - width(ellipsis)
    if room <= 0:
        return truncate(text, columns, ellipsis)
    kept = ""
    for char in reversed(text):
        if width(kept) + width(char) > (room * 2 + 2) // 3:
            break
        kept = char + kept
    start = ""
    for char in text:
        if width(start + char) + width(kept) > room:
            break
        start += char
    return start + ellipsis + kept


def wrapped(text: str, columns: int) -> list[str]:
    """`text` in lines of at most so many columns, broken at spaces, and in a word only where it is too long."""
    lines = [""]
    for word in text.split():
        while word:
            gap = 1 if lines[-1] else 0
            if width(lines[-1]) + gap + width(word) <= columns:
                lines[-1] += " " * gap + word
                break
            if lines[-1]:
                lines.append("")
                continue
            fits = next((n for n in range(len(word), 1, -1) if width(word[:n]) <= columns), 1)
            lines[-1], word = word[:fits], word[fits:]
            if word:
                lines.append("")
    return lines


def pad(text: str, columns: int) -> str:
    return text + " " * max(columns - width(text), 0)


def seconds(value: float) -> str:
    """`0.4s`, `12.3s`, `2m03s`, `1h04m`."""
    if value < 59.95:
        return f"{value:.1f}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def place(host: str, service: str) -> str:
    """Where a step works: host, service, or both."""
    return "/".join(part for part in (host, service) if part)


def fields(values: Sequence[str], columns: int, ellipsis: str = "…") -> list[str]:
    """Title, place and detail as cells that together take at most so many columns; the longest gives way first."""
    cells = [one_line(value) for value in values]

    def total() -> int:
        return sum(map(width, _joined(cells)))

    while (over := total() - columns) > 0:
        longest = max(range(len(cells)), key=lambda index: width(cells[index]))
        size = width(cells[longest])
        if size <= _SHORTEST_FIELD:
            return _fewer(values, columns, ellipsis)
        cells[longest] = truncate(cells[longest], max(size - over, _SHORTEST_FIELD), ellipsis)
    return _joined(cells)


def _fewer(values: Sequence[str], columns: int, ellipsis: str) -> list[str]:
    """The cells where there is no room for all: without the detail, then the place, then the end of the title."""
    present = [index for index, value in enumerate(values) if one_line(value)]
    if len(present) > 1:
        return fields(["" if index == present[-1] else value for index, value in enumerate(values)], columns, ellipsis)
    return [truncate(one_line(value), max(columns, 0), ellipsis) for value in values]


def _joined(cells: Sequence[str]) -> list[str]:
    """The cells, each but the last one padded to where the next begins."""
    joined = list(cells)
    present = [index for index, cell in enumerate(cells) if cell]
    position = 0
    for order, index in enumerate(present[:-1], start=1):  # without a place, the detail stands where it would
        joined[index] = pad(cells[index], max(_STOPS[order] - position, width(cells[index]) + 2))
        position += width(joined[index])
    return joined


def step_cells(
    title: str, where: str, detail: str, took: float | None, columns: int, ellipsis: str = "…"
) -> tuple[list[str], str]:
    """Title, place and detail, padded, and the time, right-aligned: together `columns` wide when `took` is given.

    In very few columns the detail gives way, then the place, then the time.
    """
    if took is None or columns < _LEAST_WITH_TIME:
        return fields((title, where, detail), columns, ellipsis), ""
    room = columns - _SECONDS_WIDTH - 1
    cells = fields((title, where, detail), room, ellipsis)
    gap = max(room - sum(map(width, cells)), 0)
    return cells, " " * gap + seconds(took).rjust(_SECONDS_WIDTH + 1)


def step_line(
    mark: tuple[str, str],
    title: str,
    where: str,
    detail: str,
    took: float | None,
    columns: int,
    ellipsis: str = "…",
) -> Line:
    """The line of a step, with its mark and the mark's style in front; never wider than `columns`."""
    (first, second, third), time_ = step_cells(title, where, detail, took, columns - width(mark[0]) - 1, ellipsis)
    return (mark, (" ", ""), (first, ""), (second, "where"), (third, "dim"), (time_, "dim"))


def rule(title: str, columns: int, sign: str = "─") -> str:
    """A line across with a title in it."""
    head = f"{sign * 2} {truncate(one_line(title), max(columns - 6, 1))} "
    return head + sign * max(columns - width(head), 0)


def stamp(at: float) -> str:
    """The time of day here, for a line of a log."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def header(event: RunStarted) -> str:
    """`deploy shop 1.1.0 to staging`."""
    words = [event.task, event.project, event.version, f"to {event.environment}" if event.environment else ""]
    return one_line(" ".join(word for word in words if word))


def footer(started: RunStarted | None, event: RunFinished) -> str:
    """`check done in 2.1s`, with what it amounts to."""
    word = {"ok": "done", "interrupted": "interrupted"}.get(event.outcome, event.outcome)
    task = started.task if started else "run"
    return one_line(f"{task} {word} in {seconds(event.seconds)}{': ' + event.summary if event.summary else ''}")


def failure(event: Failure, columns: int) -> list[tuple[str, str]]:
    """What happened, where, what is true now, what to type next: lines of label and text, wrapped, never cut.

    The label of the first line is empty; details come last with the label `|`.
    """
    lines = [("", line) for line in _wrap(clean(event.what), columns - 2)]
    for label, text in (("where", event.where), ("now", event.now), ("next", event.hint)):
        for number, line in enumerate(_wrap(clean(text), columns - 9)):
            lines.append((label if number == 0 else " ", line))
    lines += [("|", clean(line)) for detail in event.details for line in detail.splitlines() or [""]]
    return lines


def _wrap(text: str, columns: int) -> list[str]:
    # Paths, image names and options are copied by people: only spaces break.
    return textwrap.wrap(text, max(columns, 20), break_long_words=False, break_on_hyphens=False)
