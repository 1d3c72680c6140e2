"""Environments and services by name, and the nearest name for a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.config.choose import environment, service
from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.config.suggest import did_you_mean, nearest
from shiptasks.errors import UsageError

SHOP = Project.model_validate(
    {
        "project": "shop",
        "services": {"api": {}, "worker": {}},
        "environments": {"local": {}, "staging": {"hosts": ["a@b"]}, "production": {}},
    }
)
BARE = Project.model_validate({"project": "shop"})


def test_a_known_name_gives_its_section() -> None:
    assert environment(SHOP, "staging").hosts == ("a@b",)
    assert service(SHOP, "api") is SHOP.services["api"]


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        (
            "stagin",
            "there is no environment `stagin`",
            "did you mean `--env=staging`? The environments are: local, staging, production",
        ),
        ("nowhere", "there is no environment `nowhere`", "The environments are: local, staging, production"),
        ("x\x1b[31m", "there is no environment `x?[31m`", "The environments are: local, staging, production"),
        ("", "which environment? none was given", "add --env=local; the environments are: local, staging, production"),
    ],
)
def test_a_wrong_environment(name: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        environment(SHOP, name)
    error = caught.value
    assert (error.what, error.hint, error.where, error.now) == (what, hint, "pyproject.toml", "nothing was run")
    assert error.exit_code == 2


def test_a_wrong_service() -> None:
    with pytest.raises(UsageError) as caught:
        service(SHOP, "workers")
    assert caught.value.what == "there is no service `workers`"
    assert caught.value.hint == "did you mean `--service=worker`? The services are: api, worker"


def test_a_configuration_without_environments_says_how_to_add_one() -> None:
    with pytest.raises(UsageError) as caught:
        environment(BARE, "staging")
    assert caught.value.hint == (
        "the configuration has no environments: add a table [tool.shiptasks.environments.<name>]"
    )


def test_load_answers_in_the_same_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.shiptasks]\nproject = "shop"\nenvironments.staging = {}\n')
    with pytest.raises(UsageError) as caught:
        load(tmp_path, "stage", environ={})
    error = caught.value
    assert (error.what, error.where) == ("there is no environment `stage`", "pyproject.toml")
    assert error.hint == "did you mean `--env=staging`? The environments are: staging"


@pytest.mark.parametrize(
    ("word", "candidates", "found"),
    [
        ("stagin", ["staging", "local"], "staging"),
        ("STAGING", ["staging", "local"], "staging"),
        ("env_file", ["env-file", "path"], "env-file"),
        ("prod", ["production", "staging"], "production"),
        ("pro", ["production", "proxy"], "proxy"),
        ("nowhere", ["staging", "local"], None),
        ("", ["staging"], None),
        ("x", [], None),
    ],
)
def test_nearest(word: str, candidates: list[str], found: str | None) -> None:
    assert nearest(word, candidates) == found


def test_did_you_mean() -> None:
    assert did_you_mean("stagin", ["staging"]) == "did you mean `staging`?"
    assert did_you_mean("stagin", ["staging"], before="--env=") == "did you mean `--env=staging`?"
    assert did_you_mean("nowhere", ["staging"]) == ""
