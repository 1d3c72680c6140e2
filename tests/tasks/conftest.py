"""A repository of a user's, in which `inv` is run as the user would: as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.run.terminal import Shown, run_on_terminal

TASKS = "import shiptasks\n\nns = shiptasks.namespace()\n"
CONFIG = """\
[tool.shiptasks]
project = "shop"

[tool.shiptasks.lint]
words = "echo All words are right!"

[tool.shiptasks.test]
unit = "echo '==== 12 passed in 0.8s ===='"

[tool.shiptasks.environments.staging]
hosts = ["deploy@staging.example.com"]
"""
_DECIDES_LOOKS = {"CI", "GITHUB_ACTIONS", "GITLAB_CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "SHIPTASKS_DEBUG"}


def plain_environment() -> dict[str, str]:
    return {**{key: value for key, value in os.environ.items() if key not in _DECIDES_LOOKS}, "TERM": "xterm-256color"}


@dataclass
class Repo:
    root: Path
    env: dict[str, str] = field(default_factory=plain_environment)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "invoke", *args]

    def inv(
        self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*args),
            cwd=cwd or self.root,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def on_terminal(self, *args: str, columns: int = 80, env: Mapping[str, str] | None = None) -> Shown:
        return run_on_terminal(self.argv(*args), cwd=self.root, env={**self.env, **(env or {})}, columns=columns)

    def runs(self) -> list[Path]:
        return sorted((self.root / ".shiptasks" / "runs").glob("*"))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path)
    (tmp_path / "tmp").mkdir()
    repo.env["TMPDIR"] = str(tmp_path / "tmp")
    repo.write("tasks.py", TASKS)
    repo.write("pyproject.toml", CONFIG)
    return repo
