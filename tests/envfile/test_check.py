"""Each finding of the check, in the words that people see, by the purpose of the environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shiptasks.config.load import load
from shiptasks.envfile import judge
from shiptasks.envfile.check import Report, check
from shiptasks.envfile.needs import Need, scan

GOOD = "POSTGRES_PASSWORD=8f1c0b7de2a94410\nLOG_LEVEL=INFO\n"
COMPOSE = """\
services:
  db:
    image: "x:${TAG:-1}"
    environment:
      P: ${POSTGRES_PASSWORD:?set it}
      L: $LOG_LEVEL
"""
TEMPLATE = (
    "# required\n# generate: openssl rand -hex 24\nPOSTGRES_PASSWORD=\nLOG_LEVEL=INFO\n# optional\nEXTRA_TOKEN=\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / ".env.template").write_text(TEMPLATE)
    (tmp_path / "env").touch(mode=0o600)
    return tmp_path


def report(root: Path, text: str, environment: str = "production", more: str = "") -> Report:
    table = f'[tool.shiptasks]\nproject = "shop"\n{more}[tool.shiptasks.environments.{environment}]\nenv-file = "env"\n'
    (root / "pyproject.toml").write_text(table)
    (root / "env").write_bytes(text.encode())
    return check(load(root, environment, environ={}), text.encode())


def told(root: Path, text: str, environment: str = "production", more: str = "") -> list[str]:
    return [f"{each.level}: {each.text}" for each in report(root, text, environment, more).findings]


def test_a_good_file(root: Path) -> None:
    good = report(root, GOOD)
    assert (good.findings, good.purpose, good.variables, good.template) == ((), "production", 2, ".env.template")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (GOOD + "A B=1\n", "env:3: a space is in the name: NAME=value is expected; correct the line"),
        (GOOD + "LOG_LEVEL=X\n", "env:3: LOG_LEVEL is set again, after line 2: the last one wins; remove one of them"),
        ("POSTGRES_PASSWORD=8f1c0b7de2a94410\n", "compose.yaml:6: LOG_LEVEL is not set; add LOG_LEVEL=… to env"),
        ("LOG_LEVEL=I\n", "compose.yaml:5: POSTGRES_PASSWORD is not set; add POSTGRES_PASSWORD=… to env"),
        (
            "POSTGRES_PASSWORD=\nLOG_LEVEL=I\n",
            "env:1: POSTGRES_PASSWORD is empty, and compose.yaml:5 needs it; "
            "put in what this prints: openssl rand -hex 24",
        ),
        (GOOD + "EXTRA_TOKEN=changeme\n", "env:3: EXTRA_TOKEN still has a placeholder; fill it in"),
        (GOOD + "EXTRA_TOKEN=<token>\n", "env:3: EXTRA_TOKEN still has a placeholder; fill it in"),
        (
            GOOD + "EXTRA_TOKEN=sk_test_4eC39HqLyjWDarjtT1zdp7dc\n",
            "env:3: EXTRA_TOKEN is not for production: it is a test key: it takes no real payments and no real "
            "requests; put the value for production into env",
        ),
        (
            "POSTGRES_PASSWORD=8f1c0b7de2a94410\nLOG_LEVEL=mail@example.com\n",
            "env:2: LOG_LEVEL is not for production: it names an example host, which belongs to nobody; "
            "put the value for production into env",
        ),
        (
            GOOD + "EXTRA_TOKEN=abc\n",
            "env:3: EXTRA_TOKEN is a weak secret: it is shorter than 12 characters; fill it in",
        ),
        (
            GOOD + "EXTRA_TOKEN=aaaaaaaaaaaaaaaa\n",
            "env:3: EXTRA_TOKEN is a weak secret: it is made of fewer than 5 different characters; fill it in",
        ),
    ],
)
def test_errors_in_production(root: Path, text: str, finding: str) -> None:
    assert told(root, text) == [f"error: {finding}"]


def test_what_nobody_knows_is_a_warning(root: Path) -> None:
    said = "warning: env:3: OTHER is not known to .env.template and compose.yaml; add or remove it"
    assert told(root, GOOD + "OTHER=1\n") == [said]


def test_a_placeholder_is_not_called_weak_too_and_no_value_is_shown(root: Path) -> None:
    found = report(
        root, GOOD.replace("8f1c0b7de2a94410", "hunter22") + "EXTRA_TOKEN=hunter22-hunter22 x\nA='hunter22\n"
    )
    assert found.errors
    assert "hunter22" not in repr(found) + str(found.data())


@pytest.mark.parametrize(
    ("environment", "levels"),
    [("local", ["warning", "warning"]), ("staging", ["error", "warning"]), ("prod", ["error", "error"])],
)
def test_how_strict_it_is_goes_by_purpose(root: Path, environment: str, levels: list[str]) -> None:
    (root / "env").chmod(0o644)
    found = {each.check: each.level for each in report(root, GOOD + "EXTRA_TOKEN=abc\n", environment).findings}
    assert [found["mode"], found["weak"]] == levels


def test_the_remedy_of_a_mode(root: Path) -> None:
    (root / "env").chmod(0o640)
    assert told(root, GOOD) == ["error: env: others on this machine may read it: its mode is 0640; chmod 600 env"]


def test_git(root: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    said = "git does not ignore it: `git add` would take it in; add env to .gitignore"
    assert told(root, GOOD) == [f"error: env: {said}"]
    assert told(root, GOOD, "local") == [f"warning: env: {said}"]
    subprocess.run(["git", "add", "env"], cwd=root, check=True)
    said = "git tracks it: whoever has the repository has its secrets; "
    said += "git rm --cached env, then replace its secrets: the history keeps them"
    assert told(root, GOOD, "local") == [f"error: env: {said}"]
    subprocess.run(["git", "rm", "--quiet", "--cached", "env"], cwd=root, check=True)
    (root / ".gitignore").write_text("env\n")
    assert told(root, GOOD) == []


def test_secrets_from_elsewhere_count_as_set_and_may_not_be_in_the_file(root: Path) -> None:
    more = 'secrets.POSTGRES_PASSWORD = { env = "NOT_EVEN_SET" }\n'
    assert told(root, "LOG_LEVEL=INFO\n", more=more) == []
    said = "env:1: POSTGRES_PASSWORD is in this file and in [tool.shiptasks.secrets]; remove one of them"
    assert told(root, GOOD, more=more) == [f"error: {said}"]


def test_the_template_holds_no_secret(root: Path) -> None:
    (root / ".env.template").write_text(TEMPLATE.replace("EXTRA_TOKEN=", "EXTRA_TOKEN=9c3f81d2ab6604e7"))
    said = ".env.template:6: EXTRA_TOKEN looks like a real secret, and the template is for everybody; "
    assert told(root, GOOD) == [f"error: {said}replace that secret where it is used, and empty this"]
    text = GOOD + "EXTRA_TOKEN=9c3f81d2ab6604e7\n"
    said = "env:3: EXTRA_TOKEN has the value of the template, which everybody can read; fill it in"
    assert f"error: {said}" in told(root, text)


def test_what_the_compose_file_names() -> None:
    text = (
        "# ${NOT}\na: ${A} ${B:-x} ${C-} ${D:?m} ${E?} ${F:+x} $G $${H} ${COMPOSE_X} # $I\nb: ${B}\n  env_file: .env\n"
    )
    found = scan(text)
    assert found.variables == {
        "A": Need("A", 2, needed=True, filled=False),
        "B": Need("B", 2, needed=True, filled=False),
        "C": Need("C", 2, needed=False, filled=False),
        "D": Need("D", 2, needed=True, filled=True),
        "E": Need("E", 2, needed=True, filled=False),
        "F": Need("F", 2, needed=False, filled=False),
        "G": Need("G", 2, needed=True, filled=False),
    }
    assert found.whole_file


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("POSTGRES_PASSWORD", True),
        ("API_KEY", True),
        ("STRIPE_SECRET_KEY", True),
        ("TOKEN", True),
        ("GITHUB_TOKEN_2", True),
        ("MONKEY", False),
        ("KEYBOARD", False),
        ("AWS_ACCESS_KEY_ID", False),
        ("STRIPE_PUBLISHABLE_KEY", False),
        ("TOKEN_TTL", False),
        ("PASSWORD_FILE", False),
        ("LOG_LEVEL", False),
    ],
)
def test_which_names_are_of_secrets(name: str, secret: bool) -> None:
    assert judge.is_secret_name(name) is secret


@pytest.mark.parametrize(
    "value", ["changeme", "CHANGE_ME!", "<your key>", "TODO", "todo: ask", "xxx", "...", "your-key"]
)
def test_placeholders(value: str) -> None:
    assert judge.is_placeholder(value)


@pytest.mark.parametrize("value", ["x", "INFO", "8f1c0b7de2a94410", "yours", "exchange", "https://shop.org/<a>"])
def test_no_placeholders(value: str) -> None:
    assert not judge.is_placeholder(value)
