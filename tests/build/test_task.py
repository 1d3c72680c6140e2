"""`inv build` where nothing can be built: what is said, the exit code, and that nothing ran."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.build.sample import write_sources

PYPROJECT = """\
[tool.shiptasks]
project = "shop"
services.api.context = "api"
services.web = {context = "web", dockerfile = "docker/web.Dockerfile"}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    write_sources(tmp_path)
    return tmp_path


def inv(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1", **environ},
        check=False,
        timeout=60,
    )


def no_docker(folder: Path) -> str:
    """A PATH on which there is no docker command."""
    (folder / "empty").mkdir()
    return str(folder / "empty")


def test_the_plan_needs_no_docker(repository: Path) -> None:
    done = inv(repository, "build", "--version=1.0.0", "--plan", PATH=no_docker(repository))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "+ api  shop-api:1.0.0  from api/Dockerfile"
    assert not (repository / ".shiptasks").exists()


def test_the_plan_as_a_bake_file(repository: Path) -> None:
    done = inv(repository, "build", "--version=1.0.0", "--plan", "--format=bake", "--service=web")
    bake = json.loads(done.stdout)
    assert bake["group"]["default"]["targets"] == ["web"]
    assert bake["target"]["web"]["tags"] == ["shop-web:1.0.0"]


def test_the_plan_as_json(repository: Path) -> None:
    done = inv(repository, "build", "--version=1.0.0", "--plan", "--format=json", "--service=web")
    document = json.loads(done.stdout)
    assert (document["schema"], document["task"], document["run"]) == (1, "build", None)
    assert document["result"]["images"] == [
        {
            "service": "web",
            "image": "shop-web:1.0.0",
            "tags": ["shop-web:1.0.0"],
            "caches": [],
            "context": "web",
            "dockerfile": "docker/web.Dockerfile",
            "target": None,
        }
    ]
    assert list(document["result"]["bake"]["target"]) == ["web"]


def test_the_plan_as_a_matrix(repository: Path) -> None:
    done = inv(repository, "build", "--version=1.0.0", "--plan", "--format=github")
    matrix = json.loads(done.stdout)
    assert [job["service"] for job in matrix["include"]] == ["api", "web"]
    assert matrix["include"][1]["dockerfile"] == "docker/web.Dockerfile"
    assert "\n" not in done.stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--version=1.0+1",), 2, "'1.0+1' is not a version"),
        (("--version=1.0.0", "--service=wep"), 2, "did you mean `--service=web`?"),
        (("--version=1.0.0", "--push"), 2, "there is no registry to push to"),
        (("--version=1.0.0", "--format=yaml"), 2, "--format=yaml is not known"),
        (("--version=1.0.0", "--format=bake"), 2, "--format=bake is a form of the plan"),
        (("--version=1.0.0",), 3, "the docker command was not found"),
    ],
)
def test_refusals(repository: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = inv(repository, "build", *arguments, PATH=no_docker(repository))
    assert said in done.stderr
    assert done.returncode == code
    assert done.stdout == ""
    assert not (repository / ".shiptasks").exists()


def test_missing_paths_are_refused_before_the_engine_is_asked(repository: Path) -> None:
    (repository / "docker" / "web.Dockerfile").unlink()
    done = inv(repository, "build", "--version=1.0.0", PATH=no_docker(repository))
    assert done.returncode == 2
    assert 'services.web.dockerfile: there is no file "docker/web.Dockerfile"' in done.stderr


def test_no_engine(repository: Path) -> None:
    (repository / "bin").mkdir()
    docker = repository / "bin" / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    done = inv(
        repository, "build", "--version=1.0.0", PATH=str(repository / "bin"), DOCKER_HOST=f"unix://{repository}/none"
    )
    assert done.returncode == 3
    assert "the Docker engine does not answer" in done.stderr
    assert f"DOCKER_HOST is unix://{repository}/none" in " ".join(done.stderr.split())
