from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from shiptasks.run import process


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config) -> Path:
    """A `node_modules` with the real eslint, installed once and kept for the next run of the tests."""
    if shutil.which("npm") is None:
        if os.environ.get("SHIPTASKS_LAB") == "required":
            pytest.fail("npm is missing")
        pytest.skip("npm is missing")
    kept = pytestconfig.cache.mkdir("eslint") / "9"
    if not (kept / "node_modules" / ".bin" / "eslint").exists():
        made = Path(tempfile.mkdtemp(dir=kept.parent))
        (made / "package.json").write_text('{"private": true}')
        argv = ["npm", "install", "--no-audit", "--no-fund", "eslint@9"]
        process.run(argv, cwd=made, timeout=240)
        try:
            made.rename(kept)
        except OSError:  # another process of these tests was faster
            shutil.rmtree(made)
    return kept / "node_modules"
