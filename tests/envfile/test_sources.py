from __future__ import annotations

import time
from pathlib import Path

import pytest

from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.envfile import dotenv, sources
from shiptasks.errors import UsageError
from shiptasks.run.secrets import Secrets

HEAD = '[tool.shiptasks]\nproject = "shop"\n[tool.shiptasks.environments.staging]\n[tool.shiptasks.secrets]\n'
SOPS = """\
#!/bin/sh
echo x >> "$0.calls"
case "$*" in *broken*) echo 'hunter22-printed'; echo 'no key: hunter22-known' >&2; exit 128;; esac
echo '{"db": {"password": "hunter22-sops", "port": 5432, "list": ["a", "b"], "on": true}, "EMPTY": ""}'
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sops").write_text(SOPS)
    (tools / "sops").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    for name in ("enc.yaml", "broken.yaml"):
        (tmp_path / name).touch()
    (tmp_path / ".env.secret").write_text("API_KEY='hunter22-file'\nOTHER=hunter22-other\nEMPTY=\n")
    return tmp_path


def project(root: Path, text: str) -> Project:
    (root / "pyproject.toml").write_text(HEAD + text)
    return load(root, "staging", environ={})


def values(root: Path, text: str, **environ: str) -> dict[str, str]:
    given = {"PATH": f"{root}/bin:/usr/bin:/bin", **environ}
    found = sources.resolve(project(root, text), Secrets(), given)
    return {name: secret.reveal() for name, secret in found.items()}


def refused(root: Path, text: str, secrets: Secrets | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        sources.resolve(project(root, text), secrets or Secrets(), {"PATH": f"{root}/bin:/usr/bin:/bin", "EMPTY": ""})
    assert caught.value.now == "nothing was run"
    return caught.value


def test_each_source(root: Path) -> None:
    text = """\
A = { env = "FROM_CI" }
API_KEY = { file = ".env.secret" }
B = { file = ".env.secret", key = "OTHER" }
C = { sops = "enc.yaml", key = "db.password" }
D = { sops = "enc.yaml", key = "db.list.1" }
E = { sops = "enc.yaml", key = "db.port" }
F = { command = ["printf", 'one\\ntwo $HOME\\n'] }
G = { command = ["cat"] , timeout = "5s" }
"""
    text = text.replace('G = { command = ["cat"] , timeout = "5s" }\n', "")
    assert values(root, text, FROM_CI="hunter22-ci") == {
        "A": "hunter22-ci",
        "API_KEY": "hunter22-file",
        "B": "hunter22-other",
        "C": "hunter22-sops",
        "D": "b",
        "E": "5432",
        "F": "one\ntwo $HOME",
    }
    assert (root / "bin" / "sops.calls").read_text() == "x\n"


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ('{ env = "NOT_SET" }', "the variable NOT_SET is not set", "export NOT_SET=…"),
        ('{ env = "EMPTY" }', "it is empty", ""),
        ('{ file = "none" }', "the file none cannot be read: No such file or directory", ""),
        ('{ file = ".env.secret" }', "the file .env.secret has no variable K", "add K=… to it"),
        ('{ file = ".env.secret", key = "EMPTY" }', "it is empty", ""),
        ('{ sops = "none.yaml" }', "the file none.yaml does not exist", ""),
        ('{ sops = "enc.yaml", key = "db.nope" }', "the file enc.yaml has no key db.nope", "sops enc.yaml"),
        ('{ sops = "enc.yaml", key = "db" }', "the key db of enc.yaml is no text", "`key` names one value: a.b.c"),
        ('{ command = ["true"] }', "it is empty", ""),
        ('{ command = ["cat"] }', "it is empty", ""),
        ('{ command = ["false"] }', "false failed with exit code 1", ""),
        (
            '{ command = ["no-such-tool"] }',
            "the command 'no-such-tool' was not found",
            "install 'no-such-tool', or put its folder on PATH",
        ),
        (
            '{ command = ["sleep", "9"], timeout = "200ms" }',
            "sleep did not end within 0.2 seconds",
            "`timeout` says how long to wait",
        ),
    ],
)
def test_what_cannot_be_had_is_located(root: Path, line: str, what: str, hint: str) -> None:
    error = refused(root, f"K = {line}\n")
    assert (error.what, error.where, error.hint) == (f"the secret K cannot be had: {what}", "pyproject.toml:5:5", hint)


def test_without_sops_it_says_how_to_get_it(root: Path) -> None:
    (root / "bin" / "sops").unlink()
    error = refused(root, 'K = { sops = "enc.yaml" }\n')
    assert error.what == "the secret K cannot be had: the command 'sops' was not found"
    assert error.hint == "install sops: https://github.com/getsops/sops/releases, or `brew install sops`"


def test_what_a_command_prints_is_never_told_and_its_errors_are_masked(root: Path) -> None:
    secrets = Secrets()
    error = refused(root, 'A = { command = ["printf", "hunter22-known"] }\nK = { sops = "broken.yaml" }\n', secrets)
    assert error.details == ("no key: ***",)
    assert "hunter22" not in repr((error.what, error.details, error.hint))


def test_all_failures_are_told_at_once(root: Path) -> None:
    error = refused(root, 'A = { env = "X" }\nB = { command = ["false"] }\nC = { command = ["true"] }\n')
    assert error.what == "3 secrets cannot be had"
    assert error.details == (
        "pyproject.toml:5:5: A: the variable X is not set",
        "  export X=…",
        "pyproject.toml:6:5: B: false failed with exit code 1",
        "pyproject.toml:7:5: C: it is empty",
    )


def test_they_are_resolved_side_by_side(root: Path) -> None:
    text = "".join(f'K{n} = {{ command = ["sh", "-c", "sleep 0.5; echo value"] }}\n' for n in range(4))
    began = time.monotonic()
    assert len(values(root, text)) == 4
    assert time.monotonic() - began < 1.5


def test_an_environment_has_secrets_of_its_own(root: Path) -> None:
    overlay = '[tool.shiptasks.environments.staging.secrets]\nA = { env = "STAGING" }\n'
    text = 'A = { file = ".env.secret", key = "OTHER" }\nAPI_KEY = { file = ".env.secret" }\n' + overlay
    assert values(root, text, STAGING="of-staging") == {"A": "of-staging", "API_KEY": "hunter22-file"}


def test_resolved_values_are_masked_in_other_forms(root: Path) -> None:
    secrets = Secrets()
    sources.resolve(project(root, 'A = { env = "X" }\n'), secrets, {"X": "a b/c+d&e'f"})
    masked = "a b/c+d&e'f a%20b%2Fc%2Bd%26e%27f a+b%2Fc%2Bd%26e%27f YSBiL2MrZCZlJ2Y= YSBiL2MrZCZlJ2Y"
    assert secrets.mask(masked) == "*** *** *** *** ***Y"


def test_they_are_merged_into_what_travels(root: Path) -> None:
    given = sources.resolve(project(root, 'A = { env = "X" }\n'), Secrets(), {"X": "it's $5\nok"})
    merged = sources.merged(b"B=1", given)
    assert dotenv.parse(merged).values == {"B": "1", "A": "it's $5\nok"}
    assert sources.merged(b"B=1", {}) == b"B=1"
