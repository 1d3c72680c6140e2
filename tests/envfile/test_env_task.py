"""`inv env` and `inv env.create` as people type them."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

TABLE = '[tool.shiptasks]\nproject = "shop"\n[tool.shiptasks.environments.staging]\nenv-file = ".env.staging"\n'
TEMPLATE = "# required\n# generate: printf hunter22-hunter22-made\nDB_PASSWORD=\n# required\nMAIL=\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "tasks.py").write_text("import shiptasks\nns = shiptasks.namespace()\n")
    (tmp_path / ".env.template").write_text(TEMPLATE)
    return tmp_path


def inv(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "invoke", *words, "--env=staging"]
    return subprocess.run(argv, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_from_nothing_to_a_good_file(root: Path) -> None:
    assert inv(root, "env").returncode == 2
    asked = inv(root, "env.create")
    assert asked.returncode == 3
    assert "DB_PASSWORD: printf hunter22-hunter22-made" in asked.stderr
    assert not (root / ".env.staging").exists()

    made = inv(root, "env.create", "--yes", "--format=json")
    assert made.returncode == 0, made.stderr
    result = json.loads(made.stdout)["result"]
    assert (result["generated"], result["to_fill"]) == (["DB_PASSWORD"], ["MAIL"])
    file = root / ".env.staging"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    wrong = inv(root, "env", "--format=json")
    assert wrong.returncode == 1
    assert [each["variable"] for each in json.loads(wrong.stdout)["result"]["findings"]] == ["MAIL"]
    assert "hunter22" not in wrong.stdout + wrong.stderr

    file.write_text(file.read_text().replace("MAIL=", "MAIL=a@shop.org"))
    assert inv(root, "env").returncode == 0
    before = file.read_text()
    assert ".env.staging: unchanged" in inv(root, "env.create").stdout
    assert file.read_text() == before


def test_a_deploy_is_refused_before_anything(root: Path) -> None:
    (root / ".env.staging").touch(mode=0o600)
    (root / ".env.staging").write_text("DB_PASSWORD=changeme\nMAIL=x\n")
    done = inv(root, "deploy")
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert "the environment file of staging is not fit for a deploy: 1 error" in said
    assert "inv env --env=staging" in said
    assert "nothing was run" in said


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("pyproject.toml", 'env-file = ".env.staging"', ""), "the environment staging has no environment file"),
        ((".env.template", "generate: printf", "generate: 'printf"), "the template .env.template cannot be used"),
    ],
)
def test_what_cannot_be_made(root: Path, change: tuple[str, str, str], what: str) -> None:
    file, old, new = change
    (root / file).write_text((root / file).read_text().replace(old, new))
    done = inv(root, "env.create", "--yes")
    assert done.returncode == 2
    assert what in done.stderr


def test_without_a_template(root: Path) -> None:
    (root / ".env.template").unlink()
    done = inv(root, "env.create", "--yes")
    assert (done.returncode, "there is no template to make it from" in done.stderr) == (2, True)
