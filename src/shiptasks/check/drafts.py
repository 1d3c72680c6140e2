"""Files and folders that are being made under a passing name, before they take their place.

The name holds the number of the process that makes them: the next run removes those of processes that were killed.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"\.draft-([0-9]{1,10})-[0-9a-f]{8}")


def draft(folder: Path) -> Path:
    """A path in `folder` that nothing else has."""
    return folder / f".draft-{os.getpid()}-{secrets.token_hex(4)}"


def is_draft(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left in `folder`; what cannot be removed, or read, stays.

    A live process of another container, whose number means nothing here, may lose a draft: it then keeps nothing.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match and not _is_alive(int(match[1])):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
