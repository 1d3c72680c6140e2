"""`inv verify` where there is nothing to verify, and what it reads from a host. The rest is in tests/lab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shiptasks.config.load import load
from shiptasks.hosts import connect
from shiptasks.tasks.verify import _stores

PYPROJECT = """\
[tool.shiptasks]
project = "shop"
services.api.context = "api"
environments.local = {}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    return tmp_path


def inv(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", "verify", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
        timeout=60,
    )


def test_nothing_is_deployed(repository: Path) -> None:
    done = inv(repository, "--env=local", "--format=json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["result"] is None
    assert document["error"]["what"] == "nothing is deployed on local"
    assert document["error"]["next"] == "inv deploy --env=local"
    assert "nothing is deployed on local" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--env=locl",), "did you mean `--env=local`?"),
        ((), "no environment was given"),
        (("--env=local", "--wait=soon"), "--wait=soon: expected a duration"),
        (("--env=local", "--service=apy"), "did you mean `--service=api`?"),
        (("--env=local", "--format=xml"), "--format=xml is not known"),
    ],
)
def test_wrong_usage(repository: Path, arguments: tuple[str, ...], said: str) -> None:
    done = inv(repository, *arguments)
    assert said in done.stderr
    assert done.returncode == 2
    assert not (repository / ".shiptasks").exists()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('# a line for people\n{"services": {"api": {}, "db": {}, "redis": {}, "proxy": {}}}\n', ("db", "redis")),
        ('{"services": {"api": {}}}', ()),
        ("services:\n  api: {}\n", None),
        (None, None),
    ],
)
def test_the_other_services_of_a_release(repository: Path, text: str | None, found: tuple[str, ...] | None) -> None:
    project = load(repository, "local")
    current = repository / ".shiptasks" / "local" / "local" / "current"
    current.mkdir(parents=True)
    if text is not None:
        (current / "compose.release.yaml").write_text(text)
    host = connect(project, "local")
    with host.session() as session:
        assert _stores(session, project, "local", {"api"}) == found
    host.close()
