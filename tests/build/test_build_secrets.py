"""Secrets, keys and attestations of a build: what bake is told, what is asked for first, what is never said."""

from __future__ import annotations

import csv
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shiptasks.build.secrets import LARGEST, attest_of, check_given, secrets_of, ssh_of, values_of
from shiptasks.build.sections import Build, ServiceImage
from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.errors import ShiptasksError, UsageError
from tests.build.sample import make_project


def project(root: Path, **keys: Any) -> Project:
    return make_project(root, services={"api": {"context": "api", **keys}})


def test_entries_say_where_a_secret_is_and_never_what(tmp_path: Path) -> None:
    made = project(tmp_path, **{"build-secrets": {"npm": {"env": "NPM_TOKEN"}, "NPMRC": {"file": "a,b/.npmrc"}}})
    first, second = secrets_of(made, "api")
    assert first == "type=env,id=npm,env=NPM_TOKEN"
    assert next(csv.reader([second])) == ["type=file", "id=NPMRC", f"src={tmp_path}/a,b/.npmrc"]


def test_all_that_is_missing_is_told_at_once_and_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.shiptasks]\nproject = "shop"\n[tool.shiptasks.services.api]\nssh = ["default", "github=~/no-key"]\n'
        '[tool.shiptasks.services.api.build-secrets]\nnpm = { env = "NPM_TOKEN" }\nrc = { file = ".npmrc" }\n'
    )
    with pytest.raises(UsageError) as caught:
        check_given(load(tmp_path, environ={}), ["api"], {"NPM_TOKEN": ""})
    assert caught.value.what == "4 secrets or keys of the build cannot be had"
    assert re.search(r"pyproject\.toml:6", caught.value.where)
    assert caught.value.details == (
        "services.api.build-secrets.npm.env: the variable NPM_TOKEN is not set",
        "services.api.build-secrets.rc.file: .npmrc cannot be read: No such file or directory",
        "services.api.ssh: default: no SSH agent answers (SSH_AUTH_SOCK is not set, or its socket is gone)",
        "services.api.ssh: github: there is no key ~/no-key",
    )
    assert (caught.value.exit_code, caught.value.now) == (2, "nothing was built")


def test_what_is_there_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("token")
    (tmp_path / "key").write_text("key")
    made = project(
        tmp_path,
        **{"build-secrets": {"npm": {"env": "NPM_TOKEN"}, "rc": {"file": ".npmrc"}}, "ssh": ["default", "git=key"]},
    )
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        environ = {"NPM_TOKEN": "very-secret", "SSH_AUTH_SOCK": str(tmp_path / "agent")}
        check_given(made, ["api"], environ)
    assert list(values_of(made, ["api"], environ)) == ["very-secret", "token"]
    assert ssh_of(made, "api") == ("default", f"git={tmp_path}/key")


def test_a_file_that_buildkit_would_not_take(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (LARGEST + 1))
    made = project(tmp_path, **{"build-secrets": {"big": {"file": "big"}}})
    with pytest.raises(UsageError) as caught:
        check_given(made, ["api"], {})
    assert caught.value.what == "1 secret or key of the build cannot be had"
    assert caught.value.details == (
        "services.api.build-secrets.big.file: big is larger than the 500 KB that BuildKit takes",
    )


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('"hunter22-in-plain"', "a secret must not be written here, where everyone reads it"),
        ('{ env = "hunter22-in-plain" }', "expected the name of an environment variable, not a value"),
        ('{ value = "hunter22-in-plain" }', "unknown key `value`"),
        ('{ env = "A", file = "hunter22-in-plain" }', "expected exactly one of env and file"),
        ("{ }", "expected exactly one of env and file"),
    ],
)
def test_a_secret_in_the_configuration_is_refused_and_not_shown(written: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.shiptasks]\nproject = "shop"\n[tool.shiptasks.services.api.build-secrets]\nnpm = {written}\n'
    )
    with pytest.raises(ShiptasksError) as caught:
        load(tmp_path, environ={})
    error = caught.value
    said = " ".join((error.what, error.where, error.hint, *error.details))
    assert message in said
    assert "hunter22" not in said


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ssh": ["--x"]}, 'expected "default" for the SSH agent'),
        ({"ssh": ["a="]}, 'expected "default" for the SSH agent'),
        ({"ssh": ["a=b,c"]}, 'expected "default" for the SSH agent'),
        ({"build-secrets": {"a,b": {"env": "X"}}}, "expected the id of a secret"),
    ],
)
def test_wrong_settings(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ServiceImage.model_validate(keys)


def test_attestations() -> None:
    assert attest_of(Build()) == ()
    assert attest_of(Build.model_validate({"provenance": "max"})) == ("type=provenance,mode=max",)
    assert attest_of(Build.model_validate({"provenance": "min", "sbom": True})) == (
        "type=provenance,mode=min",
        "type=sbom",
    )
    with pytest.raises(ValidationError, match="Input should be 'none', 'min' or 'max'"):
        Build.model_validate({"provenance": "all"})
