"""TOML from the standard library, or from tomli before Python 3.11."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse(text: str) -> dict[str, Any]:
    """The document as plain values. Raises ValueError (with the place in its text), or RecursionError when too deep."""
    document: dict[str, Any] = tomllib.loads(text)
    return document
