"""Runs one command to its end, and turns its failure into an error that a person can act on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence

Echo = Callable[[str], None]

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LabError(RuntimeError):
    """The lab could not do what it was asked to; the message says what is missing and what to type next."""


def system_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for system programs: the caller's, with the system's own folders alone on PATH."""
    return {**os.environ, "PATH": SYSTEM_PATH, "DEBIAN_FRONTEND": "noninteractive", **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 60,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run argv and capture its output as text. `timeout` is in seconds.

    Raises LabError when the program is missing or too slow, and, with `check`, when it fails.
    """
    try:
        done = subprocess.run(
            list(argv),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=dict(env) if env is not None else None,
        )
    except FileNotFoundError:
        raise LabError(f"{argv[0]}: program not found") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"no end after {timeout:.0f} s: {' '.join(argv)}") from None
    if check and done.returncode != 0:
        raise LabError(f"exit {done.returncode}: {' '.join(argv)}\n{tail(done.stdout + done.stderr)}")
    return done


def tail(text: str, lines: int = 15) -> str:
    """The last lines of a text, indented, for an error message."""
    return "\n".join("  " + line for line in text.strip().splitlines()[-lines:])
