from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from shiptasks.run import process


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `node_modules` with the real eslint, installed once and kept for the next run of the tests."""
    if shutil.which("npm") is None:
        if os.environ.get("SHIPTASKS_LAB") == "required":
            pytest.fail("npm is missing")
        pytest.skip("npm is missing")
    kept = Path(tempfile.gettempdir()) / f"shiptasks-test-eslint-{os.getuid()}"
    if not (kept / "node_modules" / ".bin" / "eslint").exists():
        made = tmp_path_factory.mktemp("eslint")
        (made / "package.json").write_text('{"private": true}')
        argv = ["npm", "install", "--no-audit", "--no-fund", "eslint@9"]
        process.run(argv, cwd=made, timeout=240)
        try:
            made.rename(kept)
        except OSError:  # another process of these tests was faster
            return made / "node_modules"
    return kept / "node_modules"
