"""`inv build.sizes` from a manifest: the table, the budget, and what is refused; without an engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shiptasks.build import manifest
from shiptasks.build.manifest import BuiltImage, Manifest
from tests.build.sample import make_project
from tests.build.test_task import inv

PYPROJECT = """\
[tool.shiptasks]
project = "shop"
services.api = {context = "api", budget = "200MB"}
services.web.context = "web"
"""
NO_ENGINE = "unix:///nowhere/docker.sock"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    for version, size in (("1.0.0", 150_000_000), ("1.1.0", 312_000_000)):
        image = BuiltImage("api", "shop-api", version, "sha256:0", size=size)
        made = Manifest("shop", version, "", f"2026-01-01T00:00:00.{version[2]}00Z", (image,))
        manifest.save(make_project(tmp_path), made)
    return tmp_path


def test_an_earlier_version_that_keeps_to_its_budget(repository: Path) -> None:
    done = inv(repository, "build.sizes", "--version=1.0.0")
    assert done.returncode == 0, done.stderr
    assert "api      150 MB           -       -  200 MB\n" in done.stdout


def test_the_latest_build_is_over_its_budget(repository: Path) -> None:
    done = inv(repository, "build.sizes")
    assert done.returncode == 1
    assert "api      312 MB           -       -  200 MB, 112 MB too much\n" in done.stdout
    assert "1 image larger than the budget" in done.stderr + done.stdout
    assert "inv build.sizes --why=api shows what takes the space" in done.stderr + done.stdout


def test_as_json_also_when_it_fails(repository: Path) -> None:
    done = inv(repository, "build.sizes", "--format=json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["exit_code"], document["task"]) == (1, 1, "build.sizes")
    assert document["result"]["images"][0]["over_budget"] is True


def test_over_budget_may_only_be_said(repository: Path) -> None:
    done = inv(repository, "build.sizes", "--set=build.over-budget=warn")
    assert done.returncode == 0, done.stderr
    assert "warning: over budget: api: 312 MB, budget 200 MB: 112 MB too much" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--version=9.9.9",), 2, "version 9.9.9 has not been built here"),
        (("--why=apl",), 2, "did you mean `--why=api`?"),
        (("--why=web",), 2, "the build 1.1.0 has no image of web"),
        (("--why=api",), 3, "the Docker engine does not answer"),
    ],
)
def test_refusals(repository: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = inv(repository, "build.sizes", *arguments, DOCKER_HOST=NO_ENGINE)
    assert said in done.stderr + done.stdout
    assert done.returncode == code
