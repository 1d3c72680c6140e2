"""A file whose age tells whether the worker is alive; `python -m shop_worker.heartbeat` checks it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

MAX_AGE = 15.0
"""Seconds without a beat after which the worker counts as stuck."""


def path() -> Path:
    return Path(os.environ.get("HEARTBEAT_FILE") or "/tmp/shop-worker.heartbeat")


def beat() -> None:
    path().touch()


def main() -> int:
    try:
        age = time.time() - path().stat().st_mtime
    except FileNotFoundError:
        print("no heartbeat yet")
        return 1
    print(f"last heartbeat {age:.1f} s ago")
    return 0 if age <= MAX_AGE else 1


if __name__ == "__main__":
    sys.exit(main())
