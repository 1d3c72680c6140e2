"""Variables and flags: every key, every kind of value, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shiptasks.config.given import RESERVED, RESERVED_PREFIXES, variables
from shiptasks.config.load import load
from shiptasks.errors import UsageError

SHOP = """\
[tool.shiptasks]
project = "shop"

[tool.shiptasks.services.api]
context = "api"
port = 8000
health = "/health"
routes = ["/api"]

[tool.shiptasks.services.web-app]

[tool.shiptasks.environments.staging]
hosts = ["deploy@staging.example.com"]
deploy.batch = 2
services.api.replicas = 3
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("registry", "ghcr.io/acme", "ghcr.io/acme"),
        ("deploy.batch", "4", 4),
        ("deploy.drain-timeout", "1m30s", 90.0),
        ("deploy.min-disk", "2GB", 2_000_000_000),
        ("services.api.stop-first", "true", True),
        ("services.api.stop-first", "False", False),
        ("services.api.routes", "/a,/b", ("/a", "/b")),
        ("services.api.routes", '["/a"]', ("/a",)),
        ("services.api.migrate", "alembic upgrade 'the head'", ("alembic", "upgrade", "the head")),
        ("services.web-app.context", "web", "web"),
        ("environments.staging.hosts", "web1,deploy@web2", ("web1", "deploy@web2")),
        ("ssh.known-hosts", "a,b", ("a", "b")),
        ("services.api.args.GREETING", "hello = world", "hello = world"),
    ],
)
def test_each_kind_by_variable_and_by_flag(shop: Path, key: str, text: str, value: Any) -> None:
    name = "SHIPTASKS_" + key.upper().replace(".", "_").replace("-", "_")
    for project in (
        load(shop, "staging", environ={name: text}),
        load(shop, "staging", environ={}, flags=[f"{key}={text}"]),
    ):
        found: Any = project
        for part in key.split("."):
            found = (
                found[part]
                if part in ("api", "web-app", "staging", "GREETING")
                else getattr(found, part.replace("-", "_"))
            )
        assert found == value


def test_the_order_is_files_variables_flags(shop: Path) -> None:
    environ = {"SHIPTASKS_DEPLOY_BATCH": "4"}
    assert load(shop, environ={}).deploy.batch == 1
    assert load(shop, "staging", environ={}).deploy.batch == 2
    (shop / "shiptasks.local.toml").write_text("deploy.batch = 3\n")
    assert load(shop, "staging", environ={}).deploy.batch == 3
    assert load(shop, "staging", environ=environ).deploy.batch == 4
    assert load(shop, "staging", environ=environ, flags=["deploy.batch=5", "deploy.batch=6"]).deploy.batch == 6


def test_a_flag_can_change_the_overlay_of_one_environment(shop: Path) -> None:
    flags = ["environments.staging.deploy.batch=7"]
    assert load(shop, "staging", environ={}, flags=flags).deploy.batch == 7
    assert load(shop, environ={}, flags=flags).deploy.batch == 1


def refused(root: Path, *flags: str, **environ: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(root, environ=environ, flags=flags)
    assert caught.value.now == "nothing was run"
    return caught.value


@pytest.mark.parametrize(
    ("flag", "what", "where", "hint"),
    [
        (
            "deploy.batch", "tool.shiptasks: expected KEY=VALUE, such as services.api.replicas=2",
            "--set deploy.batch", "",
        ),
        ("=3", "tool.shiptasks: expected a key such as services.api.replicas", "--set ", ""),
        ("a b=3", "tool.shiptasks: expected a key such as services.api.replicas", "--set a b", ""),
        ("deploy.bacth=3", "deploy.bacth: unknown key", "--set deploy.bacth", "did you mean `batch`?"),
        ("deploy.batch=x", 'deploy.batch: expected a whole number from 1 to 32, not "x"', "--set deploy.batch", ""),
        ("deploy.batch=99", "deploy.batch: expected a whole number from 1 to 32, not 99", "--set deploy.batch", ""),
        (
            "services.ap.port=1", "services.ap.port: there is no service `ap`",
            "--set services.ap.port", "did you mean `api`?",
        ),
        (
            "environments.stagin.url=http://x", "environments.stagin.url: there is no environment `stagin`",
            "--set environments.stagin.url", "did you mean `staging`?",
        ),
        ("services.api=3", 'services.api: expected a table, not "3"', "--set services.api", ""),
    ],
)  # fmt: skip
def test_a_wrong_flag_is_answered(shop: Path, flag: str, what: str, where: str, hint: str) -> None:
    error = refused(shop, flag)
    assert (error.what, error.where, error.hint) == (what, where, hint)


@pytest.mark.parametrize(
    ("name", "value", "what", "hint"),
    [
        (
            "SHIPTASKS_REGISTYR", "x", "tool.shiptasks: the variable SHIPTASKS_REGISTYR stands for no key",
            "did you mean `SHIPTASKS_REGISTRY`?",
        ),
        (
            "SHIPTASKS_QQQQQQ", "x", "tool.shiptasks: the variable SHIPTASKS_QQQQQQ stands for no key",
            "`inv config --variables` lists those that there are",
        ),
        ("SHIPTASKS_DEPLOY_BATCH", "no", 'deploy.batch: expected a whole number from 1 to 32, not "no"', ""),
        ("SHIPTASKS_SERVICES_API_STOP_FIRST", "yes", 'services.api.stop-first: expected true or false, not "yes"', ""),
        (
            "SHIPTASKS_ENVIRONMENTS_STAGING_HOSTS", "a,-oProxyCommand=x",
            'environments.staging.hosts[1]: expected "host", "user@host" or "user@host:port", or "local" for this '
            'machine without SSH, not "-oProxyCommand=x"', "",
        ),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_answered(shop: Path, name: str, value: str, what: str, hint: str) -> None:
    error = refused(shop, **{name: value})
    assert (error.what, error.where, error.hint) == (what, name, hint)


def test_a_variable_that_could_mean_two_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.shiptasks]\nproject = "shop"\nservices.api.args = { A_B = "1", a_b = "2" }\n'
    )
    error = refused(tmp_path, SHIPTASKS_SERVICES_API_ARGS_A_B="3")
    assert error.what == (
        "tool.shiptasks: the variable SHIPTASKS_SERVICES_API_ARGS_A_B could mean services.api.args.A_B and "
        "services.api.args.a_b"
    )


def test_no_variable_of_a_key_is_one_of_those_that_mean_something_else() -> None:
    table = {
        "services": {"api": {"args": {"A": "1"}}},
        "environments": {"staging": {}},
        "lint": {"ruff": ""},
        "test": {"unit": ""},
    }
    names = [name for name, _ in variables(table)]
    assert len(names) > 30
    assert len(set(names)) == len(names)
    assert not set(names) & RESERVED
    assert not [name for name in names if name.startswith(RESERVED_PREFIXES)]


def test_where_tells_the_place_of_every_value(shop: Path) -> None:
    (shop / "shiptasks.local.toml").write_text("deploy.keep = 3\n")
    project = load(shop, "staging", environ={"SHIPTASKS_REGISTRY": "r.example"}, flags=["proxy.port=81"])
    assert project.where("services", "api", "port") == "pyproject.toml:6:8"
    assert project.where("services", "api", "routes", 0) == "pyproject.toml:8:11"
    assert project.where("services", "api", "replicas") == "pyproject.toml:15:25"
    assert project.where("services", "api", "target") == "pyproject.toml:4:26"
    assert project.where("deploy", "keep") == "shiptasks.local.toml:1:15"
    assert project.where("registry") == "SHIPTASKS_REGISTRY"
    assert project.where("proxy", "port") == "--set proxy.port"
    assert project.where("ssh", "key").startswith("pyproject.toml")


def test_what_a_hook_is_told_by_is_no_configuration() -> None:
    from shiptasks.run.hooks import WITHIN, HookContext

    assert {*HookContext("deploy", "before", "shop").variables(), WITHIN} <= RESERVED
