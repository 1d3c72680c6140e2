"""The capabilities as Python, from a script and inside a run; this file is type-checked like the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

import shiptasks
from shiptasks.api import build, check, deploy
from shiptasks.errors import Failed, UsageError
from shiptasks.run.events import Bus

SHOP = """\
[tool.shiptasks]
project = "shop"
lint.yes = "true"
test.no = "false"
services.api.context = "api"
"""


@pytest.fixture
def project(tmp_path: Path) -> shiptasks.Project:
    (tmp_path / "pyproject.toml").write_text(SHOP)
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "Dockerfile").write_text("FROM scratch\n")
    return shiptasks.load(tmp_path)


def test_check(project: shiptasks.Project) -> None:
    commands = check.plan(project)
    assert [command.title for command in commands] == ["lint yes", "test no"]
    report: check.Report = check.apply(project, commands)
    assert report.summary == "1 passed, 1 failed"
    with pytest.raises(Failed, match="1 of 2 stages failed: test no"):
        report.raise_if_failed()
    with shiptasks.start(project, "mine") as run:
        assert check.apply(project, check.plan(project, ["lint"]), run.bus).failed == ()
    with pytest.raises(UsageError, match="there is no lint command named 'x'"):
        check.plan(project, ["lint"], names=["x"])


def test_build(project: shiptasks.Project) -> None:
    planned: build.BuildPlan = build.plan(project, "1.0.0")
    assert [target.tag for target in planned.targets] == ["shop-api:1.0.0"]
    assert build.plan(project).version == "0.0.0-dev.uncommitted"
    with pytest.raises(UsageError, match="there is no registry to push to"):
        build.plan(project, "1.0.0", push=True)
    (project.root / "api" / "Dockerfile").unlink()
    with pytest.raises(UsageError, match="1 path to build from not found"):
        build.plan(project, "1.0.0")


def test_a_deploy_needs_an_environment_and_a_build(project: shiptasks.Project) -> None:
    (project.root / "pyproject.toml").write_text(f"{SHOP}environments.local = {{}}\n")
    with pytest.raises(UsageError, match="nothing has been built yet"):
        deploy.plan(shiptasks.load(project.root, "local"), bus=Bus())
