"""Names and TOML texts out of whatever folders are called."""

from __future__ import annotations

import json
import re


def name_of(text: str) -> str:
    """A name for projects and services out of any text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "app"


def unique(name: str, used: set[str]) -> str:
    """The name, or it with a number where it is used already; it is used then."""
    wanted, number = name, 2
    while name in used:
        name, number = f"{wanted[:36].rstrip('-')}-{number}", number + 1
    used.add(name)
    return name


def quoted(text: str) -> str:
    """A TOML string: JSON's form is one, except for a raw DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
