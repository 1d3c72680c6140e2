"""How long each stage took when it last passed, so that the longest way through the graph begins first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shiptasks.run.files import write_whole


def load(state_dir: Path) -> dict[str, float]:
    """Seconds by id of the stage; empty when nothing is known."""
    try:
        found = json.loads(_file(state_dir).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: float(value) for key, value in found.items() if isinstance(value, (int, float)) and value >= 0}


def save(state_dir: Path, known: Mapping[str, float], new: Mapping[str, float]) -> None:
    """Keep the new times. They only order work: that they cannot be written is no error."""
    if not new:
        return
    times = {**known, **{key: round(value, 3) for key, value in new.items()}}
    with suppress(OSError):
        write_whole(_file(state_dir), json.dumps(times, indent=1).encode())


def _file(state_dir: Path) -> Path:
    return state_dir / "cache" / "times.json"
