"""One entry of a bake file, `type=registry,ref=…`: how buildx writes caches, secrets and attestations in one line."""

from __future__ import annotations

import csv
import io


def entry(kind: str, **attributes: str | bool | None) -> str:
    """`type=<kind>,name=value,…` as buildx reads it: comma-separated values, quoted where a value needs it.

    `_` in names stays as it is; attributes that are empty, None or False are left out, True is `true`.
    """
    fields = [f"type={kind}"]
    for name, value in attributes.items():
        if value:
            fields.append(f"{name}={'true' if value is True else value}")
    return joined(fields)


def joined(fields: list[str]) -> str:
    """The fields as one line of comma-separated values."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
