"""Logging in: the password goes through standard input, and nothing that is said holds it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shiptasks.build.login import credentials, login
from shiptasks.build.sections import Login
from shiptasks.config.secret import Secret
from shiptasks.errors import Failed, ShiptasksError, UsageError
from shiptasks.run.events import Bus, to_dict
from tests.build.test_engine import fake_docker

PASSWORD = "hunter22-and-more"


class Recorder:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def handle(self, event: Any) -> None:
        self.events.append(to_dict(event))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    cat = shutil.which("cat")
    (tmp_path / "sh").symlink_to("/bin/sh")
    fake_docker(tmp_path, f'printf "%s\\n" "$*" > {tmp_path}/argv; {cat} > {tmp_path}/stdin; {script}')
    monkeypatch.setenv("PATH", str(tmp_path))


def all_of(error: ShiptasksError) -> str:
    return " ".join((error.what, error.where, error.now, error.hint, *error.details))


def test_the_password_goes_through_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    docker(tmp_path, monkeypatch, "exit 0")
    login("ghcr.io/acme", "bot", Secret(PASSWORD), Bus(recorder))
    assert (tmp_path / "argv").read_text() == "login --username=bot --password-stdin ghcr.io\n"
    assert (tmp_path / "stdin").read_text() == PASSWORD
    assert PASSWORD not in json.dumps(recorder.events)
    assert recorder.events[-1]["detail"] == "ghcr.io as bot"


@pytest.mark.parametrize(
    "answer",
    [
        "Error response from daemon: Get https://ghcr.io/v2/: denied: denied",
        "Error response from daemon: login attempt to http://10.0.0.1:5000/v2/ failed with status: 401 Unauthorized",
        "unauthorized: incorrect username or password",
    ],
)
def test_wrong_credentials_are_told_without_them(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    docker(tmp_path, monkeypatch, f"echo '{answer} ({PASSWORD})' >&2; exit 1")
    with pytest.raises(Failed) as caught:
        login("ghcr.io/acme", "bot", Secret(PASSWORD), Bus(recorder))
    assert caught.value.what == "ghcr.io does not take the user name or password of bot"
    assert caught.value.details == (f"{answer} (***)",)
    assert PASSWORD not in all_of(caught.value) + json.dumps(recorder.events)
    assert recorder.events[-1]["outcome"] == "failed"


def test_a_registry_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder) -> None:
    docker(tmp_path, monkeypatch, "echo 'dial tcp: lookup ghcr.invalid: no such host' >&2; exit 1")
    with pytest.raises(Failed, match=r"the login to ghcr\.invalid failed") as caught:
        login("ghcr.invalid", "bot", Secret(PASSWORD), Bus(recorder))
    assert caught.value.details == ("dial tcp: lookup ghcr.invalid: no such host",)


def test_a_registry_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder) -> None:
    docker(tmp_path, monkeypatch, f"exec {shutil.which('sleep')} 30")
    monkeypatch.setattr("shiptasks.build.login._TIMEOUT", 0.3)
    with pytest.raises(Failed, match="did not answer the login within") as caught:
        login("ghcr.io", "bot", Secret(PASSWORD), Bus(recorder))
    assert PASSWORD not in all_of(caught.value)


def test_credentials_come_from_the_environment() -> None:
    settings = Login.model_validate({"user": "bot", "password-env": "REGISTRY_TOKEN"})
    assert credentials(settings, {"REGISTRY_TOKEN": PASSWORD}) == ("bot", Secret(PASSWORD))
    assert credentials(Login(), {"REGISTRY_TOKEN": PASSWORD}) is None
    with pytest.raises(UsageError) as caught:
        credentials(settings, {})
    assert caught.value.what == "there is no password to log in to the registry with: REGISTRY_TOKEN is not set"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"user": "bot"}, "a login needs both `user` and `password-env`"),
        ({"user": "bot", "password-env": "ghp-not-a-variable"}, "expected the name of an environment variable"),
        ({"user": "a b", "password-env": "X"}, "expected the name of a user"),
        ({"user": "bot", "password": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_logins(settings: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Login.model_validate(settings)
