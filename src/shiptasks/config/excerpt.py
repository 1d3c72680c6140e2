"""A line of a file with the place underlined, as compilers show it."""

from __future__ import annotations

from shiptasks.config.locate import Span

_WIDTH = 96


def excerpt(line: str, span: Span) -> tuple[str, ...]:
    """Two lines: `12 | replicas = "2"` and the marks below it. A long line is cut to what surrounds the place.

    What cannot be printed is shown as `?`: a file must not drive the terminal.
    """
    begin = max(0, span.column - 1 - _WIDTH // 2) if len(line) > _WIDTH else 0
    text = "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in line[begin : begin + _WIDTH])
    number = str(span.line)
    offset = span.column - 1 - begin
    marks = max(1, min(span.end - span.column, _WIDTH - offset))
    return f"{number} | {text}".rstrip(), f"{' ' * len(number)} | {' ' * offset}{'^' * marks}"
