"""`inv init`: what is found in repositories of many shapes, what is proposed, and that nothing is ever overwritten."""

# ruff: noqa: E501 - the files as they are
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiptasks.config.load import load
from shiptasks.errors import Failed
from shiptasks.onboard.look import look
from shiptasks.onboard.propose import Proposal, name_of, propose
from shiptasks.onboard.write import check, texts, write
from tests.tasks.conftest import plain_environment


def files(root: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def proposed(root: Path) -> Proposal:
    proposal = propose(look(root), texts(root))
    check(proposal, root)
    return proposal


def table(root: Path) -> str:
    return next(change.after for change in proposed(root).changes if change.path == "pyproject.toml")


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shiptasks", *words],
        cwd=root, env=plain_environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60,
    )  # fmt: skip


def inv(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=root, env=plain_environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60,
    )  # fmt: skip


def test_an_empty_git_repository_with_a_dockerfile_can_plan_a_build(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "Dockerfile").write_text("FROM alpine\nEXPOSE 9000\n")
    done = run(tmp_path, "init", "--yes")
    assert done.returncode == 0, done.stderr
    assert "+++ b/tasks.py" in done.stdout
    assert "# port = 9000" in (tmp_path / "pyproject.toml").read_text()
    assert (tmp_path / "tasks.py").read_text() == "import shiptasks\n\nns = shiptasks.namespace()\n"
    for words in (("--list",), ("config",), ("build", "--plan"), ("config.schema",)):
        ended = inv(tmp_path, *words)
        assert ended.returncode == 0, ended.stderr
    assert "from Dockerfile" in inv(tmp_path, "build", "--plan").stdout


def test_run_again_it_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\n")
    assert run(tmp_path, "init", "--yes").returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for done in (run(tmp_path, "init", "--yes"), inv(tmp_path, "init")):
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, "nothing to do: the repository is set up")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_nothing_is_written_without_a_yes(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\n")
    done = run(tmp_path, "init")
    assert done.returncode == 3
    assert "+++ b/pyproject.toml" in done.stdout
    assert "the same command with --yes" in done.stderr
    planned = run(tmp_path, "init", "--plan", "--format=json")
    assert json.loads(planned.stdout)["result"]["files"] == ["pyproject.toml", "tasks.py", "Makefile"]
    assert [path.name for path in tmp_path.iterdir()] == ["Dockerfile"]


@pytest.mark.parametrize(
    ("words", "said"), [(("initt",), "did you mean `init`?"), (("init", "--yess"), "did you mean `--yes`?")]
)
def test_wrong_words_are_answered(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, *words)
    assert (done.returncode, said in done.stderr) == (2, True)


def test_help_runs_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--help")
    assert (done.returncode, list(tmp_path.iterdir())) == (0, [])
    assert "--plan" in done.stdout


@pytest.mark.parametrize("before", ['[project]\nname = "x"\n', '[project]\r\nname = "x"\r\n', "\ufeff# no end", ""])
def test_what_was_in_pyproject_stays_byte_for_byte(tmp_path: Path, before: str) -> None:
    (tmp_path / "pyproject.toml").write_bytes(before.encode())
    assert run(tmp_path, "init", "--yes").returncode == 0
    after = (tmp_path / "pyproject.toml").read_bytes()
    assert after.startswith(before.encode())
    assert (b"\r\n" in after) == ("\r\n" in before)
    load(tmp_path, environ={})


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    files(
        tmp_path, tasks_dot_py="# mine\n", Makefile="all:\n\ttrue\n", _dot_gitignore="x", _dot_env_dot_template="A=\n"
    )
    files(
        tmp_path,
        compose_dot_yaml="services: {api: {build: api, environment: {A: '${B}'}}}\n",
        api__Dockerfile="FROM x\n",
    )
    proposal = proposed(tmp_path)
    assert [change.path for change in proposal.changes] == ["pyproject.toml", ".gitignore"]
    assert proposal.changes[1].after.startswith("x\n.shiptasks/\n")
    assert any("add to tasks.py" in note for note in proposal.notes)


def test_compose_services_are_taken_as_they_are(tmp_path: Path) -> None:
    compose = """\
services:
  api: {build: {context: ./api, dockerfile: prod.Dockerfile, target: run}, ports: ["80:8000"]}
  web_app: {build: web}
  db: {image: "postgres:17", environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD:?}", TZ: "${TZ:-UTC}"}}
"""
    files(tmp_path, docker_compose="", api__prod_dot_Dockerfile="FROM x\n", web__Dockerfile="FROM x\nEXPOSE 3000\n")
    (tmp_path / "docker-compose.yml").write_text(compose)
    text = table(tmp_path)
    assert 'compose-file = "docker-compose.yml"' in text
    assert (
        '[tool.shiptasks.services.api]\ncontext = "api"\ndockerfile = "api/prod.Dockerfile"\ntarget = "run"\n# port = 8000'
        in text
    )
    assert '[tool.shiptasks.services.web-app]\ncontext = "web"\n# port = 3000' in text
    assert "services.db" not in text
    template = next(change.after for change in proposed(tmp_path).changes if change.path == ".env.template")
    assert "# required\n# generate: openssl rand -hex 24\nPOSTGRES_PASSWORD=\n" in template
    assert "# optional\nTZ=\n" in template


def test_a_production_file_comes_before_the_one_for_development(tmp_path: Path) -> None:
    for name in ("docker-compose.yml", "docker-compose.prod.yml"):
        (tmp_path / name).write_text("services: {}\n")
    assert 'compose-file = "docker-compose.prod.yml"' in table(tmp_path)


@pytest.mark.parametrize(
    ("path", "alone", "lines"),
    [
        (
            "Dockerfile.worker",
            False,
            '[tool.shiptasks.services.worker]\ncontext = "."\ndockerfile = "Dockerfile.worker"\n',
        ),
        (
            "worker.Dockerfile",
            False,
            '[tool.shiptasks.services.worker]\ncontext = "."\ndockerfile = "worker.Dockerfile"\n',
        ),
        (
            "docker/web/Dockerfile",
            True,
            '[tool.shiptasks.services.web]\ncontext = "."\ndockerfile = "docker/web/Dockerfile"\n',
        ),
        ("services/my_api/Dockerfile", False, '[tool.shiptasks.services.my-api]\ncontext = "services/my_api"\n'),
    ],
)
def test_dockerfiles_without_a_compose_file(tmp_path: Path, path: str, alone: bool, lines: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("FROM x\n")
    if not alone:
        ((tmp_path / path).parent / "main.py").write_text("")
    assert lines in table(tmp_path)


def test_linters_and_tests_of_many_kinds(tmp_path: Path) -> None:
    pyproject = "[tool.ruff]\n[tool.mypy]\nfiles = ['a']\n[tool.pytest.ini_options]\n[tool.black]\n[tool.isort]\n"
    files(tmp_path, pyproject_dot_toml=pyproject, go_dot_mod="module x\n", _dot_flake8="")
    files(tmp_path, package_dot_json='{"scripts": {"lint": "eslint .", "test": "vitest run"}}')
    text = table(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    project = load(tmp_path, environ={})
    assert list(project.lint) == ["ruff", "format", "black", "isort", "flake8", "mypy", "npm", "vet"]
    assert dict(project.test) == {"pytest": "pytest", "npm": "npm test", "go": "go test ./..."}
    assert project.lint["mypy"] == "mypy"


def test_nothing_at_all(tmp_path: Path) -> None:
    text = table(tmp_path)
    assert "# No Dockerfile was found" in text
    assert "[tool.shiptasks.services" not in text.replace("# [tool.shiptasks.services", "")


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [("a = [", 2, "not valid TOML"), ("tool = 3\n", 2, "pyproject.toml"), ("[tool.shiptasks]\nx = 1\n", 0, "")],
)
def test_a_pyproject_that_is_wrong_or_is_set_up(tmp_path: Path, content: str, code: int, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    done = run(tmp_path, "init", "--yes")
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert (tmp_path / "pyproject.toml").read_text() == content
    assert "Traceback" not in done.stderr


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "Makefile").symlink_to(tmp_path / "gone")
    (tmp_path / "tasks.py").symlink_to("/nowhere/else")
    done = run(tmp_path, "init", "--yes")
    assert done.returncode == 0
    assert (tmp_path / "tasks.py").is_symlink()


def test_a_failure_in_the_middle_takes_back_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shiptasks.onboard import write as module

    (tmp_path / "pyproject.toml").write_text("[tool.x]\n")
    proposal = proposed(tmp_path)
    put = module._put

    def fails(path: Path, text: str) -> None:
        if path.name == "Makefile":
            raise OSError(28, "No space left on device", str(path))
        put(path, text)

    monkeypatch.setattr(module, "_put", fails)
    with pytest.raises(Failed, match="Makefile cannot be written: No space left"):
        write(proposal.changes, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]
    assert (tmp_path / "pyproject.toml").read_text() == "[tool.x]\n"


names = st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(names, max_size=4, unique_by=str.lower), st.text(max_size=80))
def test_any_folder_names_and_any_compose_file(folders: list[str], compose: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        for name in folders:
            (root / name).mkdir(exist_ok=True)
            (root / name / "Dockerfile").write_text("FROM x\n")
            (root / name / "x").write_text("")
        (root / "compose.yaml").write_text(compose, encoding="utf-8", errors="replace")
        proposal = proposed(root)
        write(proposal.changes, root)
        load(root, environ={})
        assert proposed(root).changes == ()


@given(st.text())
def test_a_name_out_of_any_text_is_a_name(text: str) -> None:
    from shiptasks.config.types import check_name

    check_name(name_of(text))
