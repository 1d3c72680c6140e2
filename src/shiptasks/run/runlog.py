"""The run log: every event and every line of output of a run, as JSON lines, kept for the last 50 runs."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from shiptasks.run.events import Event, RunFinished, to_dict

KEEP = 50
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def new_run_id() -> str:
    """A name that sorts by time: `20261121T003412Z-3f9ac1`."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}"


def new_folder(state_dir: Path, run_id: str) -> Path:
    """Make the run's folder, readable by its owner only, and remove the oldest beyond the last 50."""
    runs = state_dir / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    ignore = state_dir / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    folder = runs / run_id
    folder.mkdir(mode=0o700)
    kept = sorted(entry.name for entry in runs.iterdir() if _RUN_ID.fullmatch(entry.name))
    for old in kept[:-KEEP]:
        shutil.rmtree(runs / old, ignore_errors=True)
    return folder


class RunLog:
    """Writes each event as one line of `events.jsonl` at once, so that nothing is lost when the process is killed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")

    def handle(self, event: Event) -> None:
        self._file.write(json.dumps(to_dict(event), ensure_ascii=False, default=str) + "\n")
        self._file.flush()
        if isinstance(event, RunFinished):
            self.close()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()
