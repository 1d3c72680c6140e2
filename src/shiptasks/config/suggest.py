"""The nearest valid name for a mistyped one, said the same way everywhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` most likely meant, or None when nothing is close.

    Case does not count, nor `_` for `-`; three letters or more that begin only one candidate are enough.
    """
    known = {_fold(candidate): candidate for candidate in sorted(candidates, reverse=True)}
    folded = _fold(word)
    begun = [name for name in known if name.startswith(folded)] if len(folded) >= 3 else []
    if len(begun) == 1:
        return known[begun[0]]
    close = difflib.get_close_matches(folded, sorted(known), n=1, cutoff=0.6)
    return known[close[0]] if close else None


def did_you_mean(word: str, candidates: Iterable[str], *, before: str = "") -> str:
    """``did you mean `staging`?``, or an empty string when nothing is close. `before` goes in front of the name."""
    found = nearest(word, candidates)
    return f"did you mean `{before}{found}`?" if found else ""


def _fold(word: str) -> str:
    return word.lower().replace("_", "-")
