"""Where an environment file lies: who may read it, and whether git knows it."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shiptasks.errors import Interrupted, ShiptasksError
from shiptasks.run import process


@dataclass(frozen=True)
class Exposed:
    """One way in which the file is open to others. `always`: on a developer's own machine, too."""

    check: str
    what: str
    remedy: str
    always: bool = False


def findings(root: Path, name: str) -> Iterator[Exposed]:
    """How the file `name` in the repository at `root` is open to others. Git is asked where it is there."""
    quoted = shlex.quote(name)
    try:
        mode = stat.S_IMODE((root / name).stat().st_mode)
    except OSError:
        return
    if mode & 0o077:
        yield Exposed("mode", f"others on this machine may read it: its mode is {mode:04o}", f"chmod 600 {quoted}")
    tracked = _git(root, "ls-files", "--error-unmatch", "--", name)
    if tracked == 0:
        said = "git tracks it: whoever has the repository has its secrets"
        remedy = f"git rm --cached {quoted}, then replace its secrets: the history keeps them"
        yield Exposed("tracked", said, remedy, always=True)
    elif tracked == 1 and _git(root, "check-ignore", "--quiet", "--", name) == 1:
        yield Exposed(
            "not-ignored", "git does not ignore it: `git add` would take it in", f"add {quoted} to .gitignore"
        )


def _git(root: Path, *words: str) -> int | None:
    """The exit code of git; None where there is none."""
    try:
        return process.run(("git", *words), cwd=root, timeout=20, check=False).exit_code
    except Interrupted:
        raise
    except ShiptasksError:
        return None
