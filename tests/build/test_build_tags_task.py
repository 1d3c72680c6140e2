"""`inv build.tags`: what it shows, its JSON, and what it refuses."""

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
registry = "ghcr.io/acme"
services.api.context = "api"
services.web = {context = "web", dockerfile = "docker/web.Dockerfile"}
"""
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    write_sources(tmp_path)
    return tmp_path


def inv(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "GITLAB_", "CI_", "CI"))
    }
    return subprocess.run(
        [sys.executable, "-m", "invoke", "build.tags", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**ours, "NO_COLOR": "1", "GIT_CEILING_DIRECTORIES": str(folder.parent), **environ},
        check=False,
        timeout=60,
    )


def event(folder: Path, **keys: object) -> str:
    (folder / "event.json").write_text(json.dumps({"sha": SHA, "default_branch": "main", "tags": [], **keys}))
    return "--event-file=event.json"


def test_the_tags_and_their_rules(repository: Path) -> None:
    done = inv(repository, event(repository, tag="v1.4.2"), "--service=api")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "tag v1.4.2 at 0123456 (file)\n"
        "\n"
        "  1.4.2   type=semver,pattern={{version}}\n"
        "  1.4     type=semver,pattern={{major}}.{{minor}}\n"
        "  1       type=semver,pattern={{major}}\n"
        "  latest  newest release: v1.4.2\n"
        "\n"
        "  ghcr.io/acme/shop-api:1.4.2\n"
        "  ghcr.io/acme/shop-api:1.4\n"
        "  ghcr.io/acme/shop-api:1\n"
        "  ghcr.io/acme/shop-api:latest\n"
    )
    assert not (repository / ".shiptasks").exists()


def test_the_same_event_from_variables(repository: Path) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/v1`id`"}
    done = inv(repository, GITHUB_SHA=SHA, **environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["  ghcr.io/acme/shop-web:v1-id-", "  ghcr.io/acme/shop-web:v1-id--0123456"]


def test_as_json(repository: Path) -> None:
    (repository / "pyproject.toml").write_text(
        PYPROJECT + '[tool.shiptasks.build]\ntags = ["type=edge", "type=sha"]\nflavor = ["latest=true"]\n'
    )
    done = inv(repository, event(repository, branch="x"), "--format=json")
    result = json.loads(done.stdout)["result"]
    assert result["event"] == {
        "kind": "branch",
        "origin": "file",
        "ref": "refs/heads/x",
        "sha": SHA,
        "default_branch": "main",
        "dirty": False,
    }
    assert (result["version"], result["latest"]) == ("sha-0123456", True)
    assert result["tags"] == [
        {"tag": "sha-0123456", "rule": "type=sha"},
        {"tag": "latest", "rule": "flavor latest=true"},
    ]
    assert result["silent"] == [{"rule": "type=edge", "reason": "not the branch main"}]
    assert result["images"]["web"] == ["ghcr.io/acme/shop-web:sha-0123456", "ghcr.io/acme/shop-web:latest"]


def test_without_services_the_tags_are_shown_alone(repository: Path) -> None:
    (repository / "pyproject.toml").write_text('[tool.shiptasks]\nproject = "shop"\n')
    done = inv(repository, event(repository, number=12))
    assert done.stdout == "pull request 12 at 0123456 (file)\n\n  pr-12  type=ref,event=pr\n"


def test_rules_that_give_nothing_say_why(repository: Path) -> None:
    (repository / "pyproject.toml").write_text(PYPROJECT + '[tool.shiptasks.build]\ntags = ["type=edge"]\n')
    done = inv(repository, event(repository, branch="x"))
    assert done.stdout == (
        "push to x at 0123456 (file)\n"
        "\n"
        "  no rule gives a tag for this event:\n"
        "    type=edge: not the branch main\n"
    )  # fmt: skip


def test_an_older_version_says_why_it_is_not_latest(repository: Path) -> None:
    done = inv(repository, event(repository, tag="v1.3.9", tags=["v1.4.0"]))
    assert "  no latest: v1.4.0 is newer than v1.3.9\n" in done.stdout


@pytest.mark.parametrize(
    ("more", "arguments", "message"),
    [
        ('tags = ["type=sha",\n  "type=semvr"]', (), "the tag rule 'type=semvr' does not fit: there is no type"),
        ('flavor = ["latst=true"]', (), "the flavor 'latst=true' does not fit"),
        ("", ("--service=apy",), "there is no service `apy`"),
        ("", ("--service=,",), "which service? none was given"),
        ("", ("--event-file=none.json",), "the event file cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_refusals(repository: Path, more: str, arguments: tuple[str, ...], message: str) -> None:
    (repository / "pyproject.toml").write_text(f"{PYPROJECT}[tool.shiptasks.build]\n{more}\n")
    done = inv(repository, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "nothing was run" in done.stderr
    if "semvr" in more:
        assert "pyproject.toml:8:3" in done.stderr
