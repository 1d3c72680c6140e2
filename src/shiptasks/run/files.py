"""Files that are there whole or not at all, and where they are seen from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put a file in the place of what was there, and make its folder. Raises OSError; then what was there still is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def prefix_of(root: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Where a folder is in its repository, as `apps/shop/`; empty at the top of it, and where there is none.

    The top is GITHUB_WORKSPACE when the folder is below it, else the nearest parent with a `.git`.
    """
    here = root.resolve()
    given = environ.get("GITHUB_WORKSPACE", "")
    tops = [Path(given).resolve()] if given else []
    tops += [parent for parent in (here, *here.parents) if (parent / ".git").exists()][:1]
    for top in tops:
        if here.is_relative_to(top):
            inside = here.relative_to(top).as_posix()
            return "" if inside == "." else f"{inside}/"
    return ""
