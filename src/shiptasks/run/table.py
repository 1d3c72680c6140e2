"""Rows of words in columns, for the answers that people ask to see: plain text, the same on a terminal and in CI."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shiptasks.run.text import one_line, pad, width


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()) -> str:
    """The rows under their header, each column as wide as its widest cell; the columns named in `right` end flush.

    Nothing is cut: what people look up here, such as digests and addresses, they copy.
    """
    cells = [[one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        parts = []
        for name, cell, columns in zip(header, row, widths, strict=True):
            parts.append(" " * (columns - width(cell)) + cell if name in right else pad(cell, columns))
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def size(count: int | None) -> str:
    """Bytes as people read them: `4.1 MB`, in powers of 1000 as in the configuration; `-` when unknown."""
    if count is None:
        return "-"
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"
