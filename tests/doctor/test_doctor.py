"""Each thing that doctor looks at: well, and not well, with its remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.deploy.preflight import host_problems
from shiptasks.deploy.state import HostState
from shiptasks.doctor import environments, here
from shiptasks.doctor.model import Finding, Report
from tests.tasks.conftest import TASKS, Repo, plain_environment

HEAD = '[tool.shiptasks]\nproject = "shop"\n'
SERVICE = HEAD + 'services.api.context = "api"\n'


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path, plain_environment())
    repo.write("tasks.py", TASKS)
    repo.write(".gitignore", ".shiptasks/\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return repo


def configured(repo: Repo, text: str, environment: str = "") -> Project:
    repo.write("pyproject.toml", text)
    return load(repo.root, environment, environ={})


def found(project: Project, name: str, **environ: str) -> Finding:
    return next(each for each in here.look(project, {**os.environ, **environ}) if each.name == name)


def path_with(repo: Repo, **scripts: str) -> str:
    """A PATH that has git and these programs, and no docker."""
    folder = repo.root / "bin"
    folder.mkdir()
    (folder / "git").symlink_to("/usr/bin/git")
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_a_new_repository_is_fine(repo: Repo) -> None:
    repo.write("pyproject.toml", HEAD)
    done = repo.inv("doctor")
    assert done.returncode == 0, done.stdout
    assert "no service is configured: nothing is built or deployed" in done.stdout
    document = json.loads(repo.inv("doctor", "--format=json").stdout)
    assert document["result"]["ok"] is True
    assert {each["outcome"] for each in document["result"]["findings"]} <= {"ok", "warn", "skip"}


def test_no_git_repository(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(HEAD)
    finding = found(load(tmp_path, environ={}), "git")
    assert (finding.outcome, finding.remedy) == ("warn", "git init")


def test_a_shallow_clone(repo: Repo, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(repo.root)]
    repo.write("pyproject.toml", HEAD)
    for number in range(2):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", str(number)], check=True)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repo.root}", str(clone)], check=True)
    (clone / "pyproject.toml").write_text(HEAD)
    finding = found(load(clone, environ={}), "git")
    assert (finding.outcome, "fetch --unshallow" in finding.remedy) == ("warn", True)


def test_run_logs_that_would_be_committed(repo: Repo) -> None:
    (repo.root / ".gitignore").unlink()
    assert found(configured(repo, HEAD), ".gitignore").outcome == "warn"


def test_commands_that_are_there_and_that_are_not(repo: Repo) -> None:
    project = configured(repo, f'{HEAD}lint.a = "nosuchprogram ."\nlint.b = "sh -c true"\ntest.c = "x \'"\n')
    assert found(project, "lint a").outcome == "fail"
    assert found(project, "lint a").remedy == "install it into this environment, e.g. pip install nosuchprogram"
    assert found(project, "lint b").outcome == "ok"
    assert found(project, "test c").outcome == "fail"


def test_the_tool_of_a_preset_and_how_to_install_it(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write("a.py", "")
    project = configured(repo, f'{HEAD}lint.a = {{ preset = "ruff-format" }}\nlint.b = {{ preset = "eslint" }}\n')
    assert found(project, "lint a").detail == "ruff is there"
    missing = found(project, "lint b")
    assert (missing.outcome, missing.detail) == ("fail", "eslint was not found")
    assert missing.remedy.endswith("npm install --save-dev eslint")


def test_no_docker(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", path_with(repo))
    finding = found(configured(repo, SERVICE), "Docker")
    assert (finding.outcome, finding.detail) == ("fail", "the docker command was not found")
    assert "apt-get install docker.io" in finding.remedy


def test_an_engine_that_does_not_answer(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", path_with(repo, docker="exit 1"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{repo.root}/none")
    finding = found(configured(repo, SERVICE), "Docker")
    assert finding.outcome == "fail"
    assert "does not answer" in finding.detail
    assert "unset DOCKER_HOST" in finding.remedy


def test_folders_and_files_to_build_from(repo: Repo) -> None:
    project = configured(repo, SERVICE)
    assert found(project, "service api").detail == "there is no folder api"
    (repo.root / "api").mkdir()
    finding = found(project, "service api")
    assert (finding.outcome, finding.detail) == ("fail", "there is no api/Dockerfile")
    assert finding.remedy.startswith("write it, or correct ")
    repo.write("api/Dockerfile", "FROM scratch\n")
    assert found(project, "service api").outcome == "ok"


def test_the_compose_file_is_needed_for_deploys(repo: Repo) -> None:
    assert found(configured(repo, SERVICE), "Compose file").outcome == "warn"
    deployed = configured(repo, f"{SERVICE}environments.local = {{}}\n")
    assert found(deployed, "Compose file").outcome == "fail"
    repo.write("compose.yaml", "services: {}\n")
    assert found(deployed, "Compose file").outcome == "ok"


def test_the_login_of_the_registry_is_there_or_not(repo: Repo) -> None:
    project = configured(repo, f'{SERVICE}registry = "ghcr.io/acme"\n')
    secret = "dXNlcjpodW50ZXIy"
    repo.write("docker/config.json", json.dumps({"auths": {"ghcr.io": {"auth": secret}}}))
    there = found(project, "registry", DOCKER_CONFIG=str(repo.root / "docker"))
    assert (there.outcome, secret in str(there)) == ("ok", False)
    repo.write("docker/config.json", "{}")
    missing = found(project, "registry", DOCKER_CONFIG=str(repo.root / "docker"))
    assert (missing.outcome, missing.remedy) == ("warn", "docker login ghcr.io")


def test_hosts_over_ssh_need_a_registry(repo: Repo) -> None:
    project = configured(repo, f'{SERVICE}environments.staging.hosts = ["web1"]\n')
    assert found(project, "registry").outcome == "fail"


def test_the_environment_file(repo: Repo) -> None:
    text = f'{SERVICE}environments.local = {{ env-file = ".env.local" }}\n'
    repo.write("compose.yaml", "services: {}\n")
    project = configured(repo, text, "local")
    finding = next(iter(environments.look(project, offline=True)))
    assert (finding.outcome, finding.remedy) == ("fail", "inv env.create --env=local")
    repo.write(".env.local", "A=1\n").chmod(0o600)
    assert all(each.outcome != "fail" for each in environments.look(project, offline=True))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('{ env = "NO_SUCH" }', "the variable NO_SUCH is not set"),
        ('{ file = ".env.none" }', "there is no file .env.none"),
        ('{ command = ["nosuchprogram", "read"] }', "nosuchprogram was not found"),
    ],
)
def test_sources_of_secrets_that_are_not_there(repo: Repo, source: str, told: str) -> None:
    project = configured(repo, f"{HEAD}secrets.TOKEN = {source}\nenvironments.local = {{}}\n", "local")
    finding = next(
        each for each in environments.look(project, {"PATH": "/bin"}, offline=True) if each.name == "secret TOKEN"
    )
    assert (finding.outcome, finding.detail) == ("fail", told)


def test_a_host_that_cannot_be_reached(repo: Repo) -> None:
    project = configured(
        repo, f'{SERVICE}environments.staging.hosts = ["deploy@127.0.0.1:1", "127.0.0.2:1"]\n', "staging"
    )
    findings = [each for each in environments.look(project) if each.name == "access"]
    assert [each.outcome for each in findings] == ["fail", "fail"]
    assert [each.group.rpartition(", ")[2] for each in findings] == ["deploy@127.0.0.1:1", "127.0.0.2:1"]
    assert all(each.remedy for each in findings)
    done = repo.inv("doctor")
    assert done.returncode == 1
    assert "each finding above says what to do" in done.stdout


def state(**changed: object) -> HostState:
    values: dict[str, object] = {
        "address": "a", "engine": "26.1.0", "engine_problem": "", "compose": "2.26.0", "disk_free": 10**10,
        "writable": True, "listening": frozenset(), "port_owner": "", "current": "", "releases": (), "partial": (),
        "history": (), "unfinished": None, "proxy_config": "", "containers": (), "images": frozenset(),
    }  # fmt: skip
    return HostState(**{**values, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"engine": "", "engine_problem": "permission denied"}, "no Docker engine answers (permission denied)"),
        ({"engine": "20.10.0"}, "Docker Engine 20.10.0 is too old"),
        ({"compose": ""}, "the engine has no Compose v2"),
        ({"compose": "2.3.0"}, "Docker Compose 2.3.0 is too old"),
        ({"writable": False}, "the folder of the releases cannot be written to"),
        ({"disk_free": 10}, "the disk is nearly full"),
    ],
)
def test_what_is_wrong_on_a_host(repo: Repo, changed: dict[str, object], said: str) -> None:
    project = configured(repo, f"{SERVICE}environments.local = {{}}\n", "local")
    assert list(host_problems(project, state())) == []
    problems = list(host_problems(project, state(**changed)))
    assert any(problem.startswith(said) for problem in problems), problems
    facts = environments._Facts(state(**changed), 60.0, "x86_64", 10**8)
    findings = list(environments._host(project, "w", False, facts))
    assert {each.name: each.outcome for each in findings} == {"host": "fail", "clock": "warn", "memory": "warn"}
    assert all(each.remedy for each in findings)


def test_a_broken_configuration_is_the_first_finding(repo: Repo) -> None:
    repo.write("pyproject.toml", f"{HEAD}colour = 1\n")
    done = repo.inv("doctor")
    assert (done.returncode, done.stdout) == (2, "")
    assert "colour: unknown key" in done.stderr


def test_the_report_shows_what_is_wrong_first() -> None:
    findings = (
        Finding("m", "a", "ok", "x"),
        Finding("m", "b", "warn", "y", "do"),
        Finding("m", "c", "fail", "z", "mend"),
    )
    report = Report(findings)
    assert report.text().splitlines() == ["FAIL  m: c: z", "      next: mend", "WARN  m: b: y", "      next: do"]
    assert "ok  m" in report.text(verbose=True)
    assert (report.ok, report.summary) == (False, "1 ok, 1 to look at, 1 failed")
    assert not Report(()).ok  # looking at nothing is no good sign


def test_python_is_told(repo: Repo) -> None:
    finding = found(configured(repo, HEAD), "Python")
    assert finding.detail.startswith(".".join(map(str, sys.version_info[:3])))
