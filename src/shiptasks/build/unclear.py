"""The one answer that a reader of build inputs may give instead of a guess."""

from __future__ import annotations


class Unclear(Exception):
    """What the builder would do with this is not known here; the text says with what. Nothing is concluded from it."""
