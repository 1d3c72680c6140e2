"""What mail does."""

from __future__ import annotations


def share(total: int, parts: int) -> int:
    """The whole part that each gets."""
    if parts < 1:
        raise ValueError("nobody is there")
    return total // parts
