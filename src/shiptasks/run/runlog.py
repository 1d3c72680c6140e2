"""The run log: every event and every line of output of a run, as JSON lines, kept for the last runs."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shiptasks.run import lease
from shiptasks.run.events import Event, RunFinished, Stream, to_dict

KEEP = 50
"""Runs whose folders are kept unless told otherwise."""
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def new_run_id() -> str:
    """A name that sorts by time: `20261121T003412Z-3f9ac1`."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}"


def new_folder(state_dir: Path, run_id: str, keep: int = KEEP) -> Path:
    """Make the run's folder, readable by its owner only, and remove the oldest beyond the last `keep` (1 or more)."""
    runs = state_dir / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    ignore = state_dir / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    folder = runs / run_id
    folder.mkdir(mode=0o700)
    kept = sorted(entry.name for entry in runs.iterdir() if _RUN_ID.fullmatch(entry.name))
    for old in kept[: -max(keep, 1)]:
        if not (runs / old / lease.NAME).exists():  # it lives, or what it left is not removed yet
            shutil.rmtree(runs / old, ignore_errors=True)
    return folder


def folders(state_dir: Path) -> list[Path]:
    """The folders of the runs that are kept, the oldest first."""
    runs = state_dir / "runs"
    if not runs.is_dir():
        return []
    return sorted(entry for entry in runs.iterdir() if _RUN_ID.fullmatch(entry.name) and entry.is_dir())


class RunLog:
    """Writes each event as one line of `events.jsonl` at once, so that nothing is lost when the process is killed.

    When nothing more can be written (a full disk) the log ends after its last whole line, with a word on stderr.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"
        self._file: int | None = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size
        self._encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

    def handle(self, event: Event) -> None:
        self._write(self._encode(to_dict(event)) + "\n")
        if isinstance(event, RunFinished):
            self.close()

    def handle_lines(self, step: str, lines: Sequence[str], stream: Stream, at: float) -> None:
        encode = self._encode
        head = f'{{"event": "StepOutput", "at": {at!r}, "step": {encode(step)}, "line": '
        end = f', "stream": {encode(stream)}}}\n'
        self._write("".join([f"{head}{encode(line)}{end}" for line in lines]))

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        # A lone surrogate, of a file name that is no UTF-8, becomes an escape of JSON.
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            self.close()
            with suppress(OSError):
                os.write(2, f"shiptasks: the run log ends here ({error.strerror}); the run goes on\n".encode())
        self._size += written

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)
