"""`inv config`: every value with its source, and one key explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.config import effective
from shiptasks.config.load import load
from shiptasks.config.toml import parse
from shiptasks.errors import UsageError

SHOP = """\
[tool.shiptasks]
project = "shop"
registry = "ghcr.io/${OWNER}"

[tool.shiptasks.services.api]
replicas = 2

[tool.shiptasks.environments.staging]
services.api.replicas = 3
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_value_names_its_source(shop: Path) -> None:
    project = load(
        shop, "staging", environ={"OWNER": "acme", "SHIPTASKS_DEPLOY_KEEP": "7"}, flags=["deploy.drain-timeout=90s"]
    )
    settings = effective.settings(project)
    data = {each.key: each.data() for each in settings}
    assert len(data) == len(settings) > 30
    assert all(each["source"]["kind"] in ("default", "file", "variable", "flag") for each in data.values())
    assert data["project"]["source"] == {
        "kind": "file", "file": "pyproject.toml", "line": 2, "column": 11, "environment": None, "with": [],
    }  # fmt: skip
    assert data["registry"]["value"] == "ghcr.io/acme"
    assert data["registry"]["source"]["with"] == ["OWNER"]
    assert data["services.api.replicas"]["source"]["line"] == 9
    assert data["services.api.replicas"]["source"]["environment"] == "staging"
    assert data["deploy.keep"] == {
        "key": "deploy.keep",
        "value": 7,
        "source": {"kind": "variable", "variable": "SHIPTASKS_DEPLOY_KEEP", "with": []},
    }  # fmt: skip
    assert data["deploy.drain-timeout"]["value"] == "1m30s"
    assert data["deploy.drain-timeout"]["source"] == {"kind": "flag", "flag": "--set deploy.drain-timeout", "with": []}
    assert data["deploy.batch"]["source"] == {"kind": "default", "with": []}


def test_what_is_printed_is_toml_with_the_sources_beside(shop: Path) -> None:
    lines = effective.lines(load(shop, environ={"OWNER": "acme"}))
    assert parse("\n".join(lines))["services"]["api"]["replicas"] == 2
    assert [line.split("  # ")[1] for line in lines[:2]] == ["pyproject.toml:2", "pyproject.toml:3, with OWNER"]


def test_one_key_explained(shop: Path) -> None:
    (shop / "shiptasks.local.toml").write_text("services.api.replicas = 4\n")
    project = load(shop, "staging", environ={"OWNER": "a", "SHIPTASKS_SERVICES_API_REPLICAS": "5"})
    explained = effective.explain(project, "services.api.replicas")
    assert explained.lines() == [
        "services.api.replicas = 5",
        "",
        "  Containers of this service on each host.",
        "  whole number from 1 to 32",
        "  by variable: SHIPTASKS_SERVICES_API_REPLICAS",
        "",
        "  default                                 1",
        "  pyproject.toml:6                        2",
        "  pyproject.toml:9 (environment staging)  3",
        "  shiptasks.local.toml:1                  4",
        "  SHIPTASKS_SERVICES_API_REPLICAS         5   <- wins",
    ]
    assert [each["value"] for each in explained.data()["written"]] == [2, 3, 4, 5]


def test_a_key_that_nobody_wrote(shop: Path) -> None:
    lines = effective.explain(load(shop, environ={"OWNER": "a"}), "services.api.target").lines()
    assert lines[0] == "services.api.target is not set"
    assert lines[-1] == "  default  not set   <- wins"


def test_every_key_can_be_explained(shop: Path) -> None:
    project = load(shop, environ={"OWNER": "a"})
    for setting in effective.settings(project):
        if setting.value != {}:
            assert effective.explain(project, setting.key).meaning


@pytest.mark.parametrize(
    ("key", "what", "hint"),
    [
        ("services.api.replica", "there is no key services.api.replica", "did you mean `services.api.replicas`?"),
        ("services.api", "services.api is a table, not a value", "the keys below it are: services.api.context"),
        ("x y", "--explain=x y: expected a key such as services.api.replicas", ""),
        ("zzzzzz", "there is no key zzzzzz", "`inv config` lists all keys"),
    ],
)
def test_what_is_no_key(shop: Path, key: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        effective.explain(load(shop, environ={"OWNER": "a"}), key)
    assert caught.value.what == what
    assert caught.value.hint.startswith(hint)
