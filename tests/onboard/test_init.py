"""`inv init`: what is found in repositories of many shapes, what is proposed, and that nothing is ever overwritten."""

# ruff: noqa: E501 - the files as they are
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.envfile.dotenv import parse
from shiptasks.errors import Failed, Refused, UsageError
from shiptasks.onboard.composefile import parse as parse_compose
from shiptasks.onboard.dockerfile import parse as parse_dockerfile
from shiptasks.onboard.look import look
from shiptasks.onboard.names import name_of, quoted
from shiptasks.onboard.propose import Change, Proposal, propose
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


def configured(root: Path) -> Project:
    """What the proposed table means."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(table(root), encoding="utf-8")
        return load(Path(folder), environ={})


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
    assert "port = 9000  " in (tmp_path / "pyproject.toml").read_text()
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
    ("words", "said"),
    [
        (("initt",), "did you mean `init`?"),
        (("init", "--yess"), "did you mean `--yes`?"),
        (("deploy", "--env=x"), "✗ deploy is a task of `inv`"),
    ],
)
def test_wrong_words_are_answered(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, *words)
    assert (done.returncode, said in done.stderr) == (2, True)


def test_without_words_it_says_what_to_type(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0].split("  ")[0]) == (0, "python -m shiptasks init")


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
  db: {image: "postgres:17", environment: {POSTGRES_PASSWORD: "${POSTGRES_PASSWORD:?}", K: "$STRIPE_API_KEY", TZ: "${TZ:-UTC}"}}
"""
    files(tmp_path, docker_compose="", api__prod_dot_Dockerfile="FROM x\n", web__Dockerfile="FROM x\nEXPOSE 3000\n")
    (tmp_path / "docker-compose.yml").write_text(compose)
    text = table(tmp_path)
    assert re.search(r'(?m)^compose-file = "docker-compose.yml" +# the one for production$', text)
    project = configured(tmp_path)
    api, web = project.services["api"], project.services["web-app"]
    assert (api.context, api.dockerfile, api.target, api.port) == ("api", "api/prod.Dockerfile", "run", 8000)
    assert (web.context, web.dockerfile, web.port) == ("web", None, 3000)
    assert list(project.services) == ["api", "web-app"]
    assert '# The Compose file calls it "web_app": give it this name there.\n[tool.shiptasks.services.web-app]' in text
    template = next(change.after for change in proposed(tmp_path).changes if change.path == ".env.template")
    assert "# required\n# generate: openssl rand -hex 24\nPOSTGRES_PASSWORD=\n" in template
    assert "# optional\nTZ=UTC\n" in template
    assert (
        "# required\n# warning: the one that you were given; else: openssl rand -hex 24\nSTRIPE_API_KEY=\n" in template
    )
    assert any(note.startswith("api publishes `ports`") for note in proposed(tmp_path).notes)


def test_a_production_file_comes_before_the_one_for_development(tmp_path: Path) -> None:
    for name in ("docker-compose.yml", "docker-compose.prod.yml"):
        (tmp_path / name).write_text("services: {db: {image: postgres}}\n")
    assert 'compose-file = "docker-compose.prod.yml"' in table(tmp_path)


@pytest.mark.parametrize(
    ("path", "content", "beside", "service"),
    [
        ("Dockerfile.worker", "FROM x\n", "main.py", ("worker", ".", "Dockerfile.worker")),
        ("worker.Dockerfile", "FROM x\n", "main.py", ("worker", ".", "worker.Dockerfile")),
        ("Containerfile", "FROM x\n", "main.py", (None, ".", "Containerfile")),
        ("api/Dockerfile.prod", "FROM x\n", "api/main.py", ("api", "api", "api/Dockerfile.prod")),
        ("docker/web/Dockerfile", "FROM x\nCOPY src /src\n", "src/main.py", ("web", ".", "docker/web/Dockerfile")),
        ("docker/web/Dockerfile", "FROM x\nCOPY --chown=1 . /src\n", "main.py", ("web", ".", "docker/web/Dockerfile")),
        (
            "services/my_api/Dockerfile",
            "FROM x\nCOPY . /\n",
            "services/my_api/main.py",
            ("my-api", "services/my_api", None),
        ),
    ],
)
def test_dockerfiles_without_a_compose_file(
    tmp_path: Path, path: str, content: str, beside: str, service: tuple[str | None, str, str | None]
) -> None:
    for name, text in ((path, content), (beside, "")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    ((name, found),) = configured(tmp_path).services.items()
    assert (service[0] or name, found.context, found.dockerfile) == (service[0] or name, *service[1:])
    assert service[0] in (None, name)


def test_dockerfiles_for_something_else_are_comments(tmp_path: Path) -> None:
    for name in ("Dockerfile", "Dockerfile.dev", "tests/Dockerfile", "web/Dockerfile", "web/Dockerfile.prod"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("FROM x\n")
    assert [service.dockerfile for service in configured(tmp_path).services.values()] == [None, "web/Dockerfile.prod"]
    text = table(tmp_path)
    assert (
        "# There is Dockerfile.dev; it does not look like one for production.\n# [tool.shiptasks.services.dev]" in text
    )
    assert "# There is web/Dockerfile; another one beside it is for production." in text


def test_linters_and_tests_of_many_kinds(tmp_path: Path) -> None:
    pyproject = "[tool.ruff.format]\n[tool.mypy]\nfiles = ['a']\n[tool.pytest.ini_options]\n[tool.isort]\n"
    files(tmp_path, pyproject_dot_toml=pyproject, go_dot_mod="module x\n", _dot_flake8="")
    files(tmp_path, package_dot_json='{"scripts": {"lint": "eslint .", "test": "vitest"}}')
    project = configured(tmp_path)
    assert list(project.lint) == ["ruff", "format", "isort", "flake8", "mypy", "npm", "vet"]
    assert {name: stage.preset or stage.command for name, stage in project.lint.items()} == {
        "ruff": "ruff",
        "format": "ruff-format",
        "isort": "isort",
        "flake8": "flake8",
        "mypy": "mypy",
        "npm": "npm run lint",
        "vet": "go vet ./...",
    }
    assert project.lint["format"].command is None
    assert {name: stage.preset or stage.command for name, stage in project.test.items()} == {
        "pytest": "pytest",
        "npm": "CI=1 npm run test",
        "go": "go test ./...",
    }


def test_the_tools_of_a_monorepo_run_where_they_belong(tmp_path: Path) -> None:
    files(tmp_path, web__package_dot_json='{"scripts": {"lint": "eslint ."}}', web__yarn_dot_lock="")
    files(tmp_path, requirements_dot_txt="ruff>=0.4\npytest\n# mypy\n", uv_dot_lock="")
    project = configured(tmp_path)
    commands = {name: stage.command for name, stage in project.lint.items()}
    assert commands == {"ruff": "uv run ruff check .", "web": "cd web && yarn run lint"}
    assert '# format = "uv run ruff format --check ."' in table(tmp_path)
    assert {name: stage.command for name, stage in project.test.items()} == {"pytest": "uv run pytest"}


def test_a_make_target_is_a_comment_and_one_that_calls_inv_is_none(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("lint:\n\tcheckstyle\ntest:\n\tinv test\n")
    text = table(tmp_path)
    assert '# [tool.shiptasks.lint]\n# make = "make lint"\n' in text
    assert "make test" not in text


def test_a_makefile_gets_the_lines_that_it_lacks_told(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("build:\n\tgcc\n")
    (note,) = (note for note in proposed(tmp_path).notes if note.startswith("Makefile"))
    assert note.startswith("Makefile is left as it is; these lines would call the tasks:\n\nINV ?= inv\n")
    assert ".PHONY: check deploy verify rollback\n\ncheck:; $(INV) $@\n" in note
    (tmp_path / "Makefile").write_text("check:\n\tinv check\n")
    assert not any(note.startswith("Makefile") for note in proposed(tmp_path).notes)


def test_tasks_that_are_there_get_the_lines_told(tmp_path: Path) -> None:
    files(tmp_path, tasks____init___dot_py="")
    (tmp_path / "tasks").mkdir(exist_ok=True)
    (tmp_path / "tasks" / "__init__.py").write_text("ns = Collection()\n")
    assert (
        'add to tasks/__init__.py: `import shiptasks` and, at its end, `ns.add_collection(shiptasks.namespace(), "ship")`'
        in proposed(tmp_path).notes
    )
    (tmp_path / "tasks" / "__init__.py").write_text("import shiptasks\n")
    assert not any("add to" in note for note in proposed(tmp_path).notes)


def test_the_line_that_is_told_for_an_own_namespace_works(tmp_path: Path) -> None:
    own = 'import shiptasks\nfrom invoke import Collection, task\n\n@task\ndef own(c):\n    """Mine."""\n\nns = Collection(own)\n'
    (tmp_path / "tasks.py").write_text(own + 'ns.add_collection(shiptasks.namespace(), "ship")\n')
    (tmp_path / "pyproject.toml").write_text('[tool.shiptasks]\nproject = "x"\n')
    listed = inv(tmp_path, "--list").stdout
    assert "own" in listed
    assert "ship.build" in listed


@pytest.mark.parametrize(
    ("remote", "registry"),
    [
        ("git@github.com:Acme/Shop.git", "ghcr.io/acme"),
        ("https://gitlab.com/acme/shop", "registry.gitlab.com/acme/shop"),
        ("ssh://git@git.example.com/a/shop", "ghcr.io/acme"),
    ],
)
def test_the_registry_is_a_comment(tmp_path: Path, remote: str, registry: str) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", remote], check=True)
    assert f'# registry = "{registry}" ' in table(tmp_path)
    project = configured(tmp_path)
    assert (project.project, project.registry) == ("shop", "")


def test_nothing_at_all(tmp_path: Path) -> None:
    text = table(tmp_path)
    assert "# [tool.shiptasks.services.api]\n# context" in text
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


def test_links_are_not_written_over(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    (root / "config").mkdir(parents=True)
    (root / "config" / "pyproject.toml").write_text("[tool.x]\n")
    (root / "pyproject.toml").symlink_to("config/pyproject.toml")
    (root / "Makefile").symlink_to(root / "gone")
    assert run(root, "init", "--yes").returncode == 0
    assert (root / "pyproject.toml").is_symlink()
    assert "[tool.shiptasks]" in (root / "config" / "pyproject.toml").read_text()
    assert not (root / "gone").exists()


def test_a_link_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared.toml").write_text("[tool.x]\n")
    root = tmp_path / "repo"
    root.mkdir()
    (root / "pyproject.toml").symlink_to(tmp_path / "shared.toml")
    done = run(root, "init", "--yes")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        3,
        "✗ pyproject.toml is a link that leads out of the repository",
    )
    assert (tmp_path / "shared.toml").read_text() == "[tool.x]\n"
    assert [path.name for path in root.iterdir()] == ["pyproject.toml"]


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").mkdir()
    with pytest.raises(Refused, match=r"^\.gitignore is there, and is no file that can be read$"):
        proposed(tmp_path)


@pytest.mark.parametrize("before", ["tool = {ruff = {}}\n", "tool = 3\n"])
def test_a_tool_that_is_no_table_is_told(tmp_path: Path, before: str) -> None:
    (tmp_path / "pyproject.toml").write_text(before)
    with pytest.raises(UsageError, match=r"^a table \[tool.shiptasks\] cannot be added to pyproject.toml as it is$"):
        proposed(tmp_path)


def test_a_file_that_changes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.x]\n")
    proposal = proposed(tmp_path)
    for name, now in (("Makefile", ["Makefile", "pyproject.toml"]), ("pyproject.toml", ["Makefile", "pyproject.toml"])):
        (tmp_path / name).write_text("mine\n")
        with pytest.raises(
            Refused, match=f"^{name if name == 'pyproject.toml' else 'Makefile'} has changed since it was looked at$"
        ):
            write(proposal.changes, tmp_path)
        assert (tmp_path / name).read_text() == "mine\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == now


def test_a_gitignore_keeps_its_bytes_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"caf\xe9/\r\n.env.*\r\n")
    done = run(tmp_path, "init", "--yes")
    assert done.returncode == 0, done.stderr
    after = b".shiptasks/\r\nshiptasks.local.toml\r\n!.env.template\r\n!.env.example\r\n"
    assert (tmp_path / ".gitignore").read_bytes() == b"caf\xe9/\r\n.env.*\r\n" + after
    assert run(tmp_path, "init").stdout.startswith("nothing to do")


def test_a_pipe_and_a_large_tree_do_not_hold_it_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Dockerfile")
    (tmp_path / "node_modules" / "x").mkdir(parents=True)
    (tmp_path / "node_modules" / "x" / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(configured(tmp_path).services) == 1


def test_it_sets_up_the_repository_and_not_a_folder_in_it(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    part = tmp_path / "packages" / "a"
    part.mkdir(parents=True)
    (part / "pyproject.toml").write_text("[tool.x]\n")
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    assert run(part, "init", "--yes").returncode == 0
    assert "[tool.shiptasks]" in (tmp_path / "pyproject.toml").read_text()
    assert run(part, "init").stdout.startswith("nothing to do")
    assert (part / "pyproject.toml").read_text() == "[tool.x]\n"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    proposed(tmp_path)  # what is imported on the way may not be readable for the other user
    tmp_path.chmod(0o555)
    child = os.fork()
    if child == 0:
        # Root may write everywhere: somebody else looks.
        code = 1
        try:
            if os.geteuid() == 0:
                for folder in tmp_path.parents:
                    if folder.stat().st_uid == 0 and str(folder) != "/":
                        folder.chmod(folder.stat().st_mode | 0o001)
                os.setgid(65534)
                os.setuid(65534)
            proposed(tmp_path)
        except Refused as error:
            code = 0 if error.what == "pyproject.toml cannot be written" else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    tmp_path.chmod(0o755)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize(
    ("text", "port", "health"),
    [
        ("EXPOSE 80/tcp 443\n", 80, ""),
        ("EXPOSE 53/udp 99999 8080\n", 8080, ""),
        ("ARG PORT=3000\nEXPOSE ${PORT}\n", 3000, ""),
        ("EXPOSE $NOBODY\n", None, ""),
        ("expose 1\nFROM x\nEXPOSE 2\n", 2, ""),
        ("# EXPOSE 1\nRUN echo EXPOSE 2\n", None, ""),
        ("HEALTHCHECK --interval=5s \\\n # why\n  CMD curl -f http://localhost:80/up || exit 1\n", None, "/up"),
        ('HEALTHCHECK CMD ["wget", "-q", "http://127.0.0.1:80"]\n', None, "/"),
        ("HEALTHCHECK NONE\n", None, ""),
    ],
)
def test_what_a_dockerfile_tells(text: str, port: int | None, health: str) -> None:
    recipe = parse_dockerfile(text)
    assert (recipe.port, recipe.health) == (port, health)


@given(st.text())
def test_any_text_is_a_dockerfile_without_a_traceback(text: str) -> None:
    recipe = parse_dockerfile(text)
    assert recipe.port is None or 0 < recipe.port < 65536


def test_a_compose_file_with_merges_and_tags_is_understood() -> None:
    text = """\
x-base: &base {build: {context: ..}, expose: [9000]}
services:
  api: {<<: *base, ports: !reset [], healthcheck: {test: [CMD, curl, "http://localhost:9000/ready"]}}
  outside: {build: ../..}
  later: {build: "${WHERE}"}
  remote: {build: "https://example.com/x.git"}
"""
    file = parse_compose(PurePosixPath("deploy/compose.yaml"), text)
    (api,) = file.services
    assert (api.name, api.context, api.port, api.health, api.hindrances) == ("api", ".", 9000, "/ready", ())


def test_a_compose_file_in_a_folder_is_found(tmp_path: Path) -> None:
    files(tmp_path, deploy__compose_dot_yaml="services: {api: {build: ../api}}\n", api__Dockerfile="FROM x\n")
    project = configured(tmp_path)
    assert (project.compose_file, project.services["api"].context) == ("deploy/compose.yaml", "api")


def test_a_production_file_that_is_an_overlay_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {api: {build: .}}\n")
    (tmp_path / "compose.prod.yaml").write_text("services: {api: {restart: always}}\n")
    assert configured(tmp_path).compose_file == "compose.yaml"
    told = "compose.prod.yaml lies over another file, and a deploy takes one: put it into compose.yaml"
    assert told in proposed(tmp_path).notes


@pytest.mark.parametrize("git", [True, False])
def test_what_is_set_up_around_the_repository_is_not_its_own(tmp_path: Path, git: bool) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.shiptasks]\nproject = "around"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    if git:
        subprocess.run(["git", "init", "-q", str(inner)], check=True)
    assert run(inner, "init", "--yes").returncode == 0
    assert 'project = "inner"' in (inner / "pyproject.toml").read_text()


def test_json_holds_stdout_alone_and_the_diff_is_shown_beside(tmp_path: Path) -> None:
    refused = run(tmp_path, "init", "--format=json")
    assert refused.returncode == 3
    assert json.loads(refused.stdout)["exit_code"] == 3
    assert "+++ b/pyproject.toml" in refused.stderr
    done = json.loads(run(tmp_path, "init", "--yes", "--format=json").stdout)["result"]
    assert (done["written"], done["root"]) == (["pyproject.toml", "tasks.py", "Makefile"], str(tmp_path))


def test_a_failure_in_the_middle_takes_back_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shiptasks.onboard import write as module

    (tmp_path / "pyproject.toml").write_text("[tool.x]\n")
    proposal = proposed(tmp_path)
    put = module._put

    def fails(path: Path, change: Change) -> None:
        if path.name == "Makefile":
            raise OSError(28, "No space left on device", str(path))
        put(path, change)

    monkeypatch.setattr(module, "_put", fails)
    with pytest.raises(Failed, match="Makefile cannot be written: No space left"):
        write(proposal.changes, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]
    assert (tmp_path / "pyproject.toml").read_text() == "[tool.x]\n"


names = st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)


ports = st.one_of(
    st.sampled_from(["80:8000", "8000", "22:22", "${P:-1}:80/tcp", "x"]), st.integers(0, 99999), st.text(max_size=9)
)
folders_of_services = st.sampled_from([".", "./api", "../x", "/abs", "${X}", "a b", "-x", "~", "https://x/y.git"])
built = st.fixed_dictionaries(
    {
        "build": st.one_of(
            folders_of_services, st.fixed_dictionaries({"context": folders_of_services, "dockerfile": names})
        )
    },
    optional={
        "ports": st.lists(ports, max_size=2),
        "healthcheck": st.just({"test": ["CMD", "curl", "http://localhost:8000/ready"]}),
        "environment": st.dictionaries(
            names, st.sampled_from(["${A}", "${DB_PASSWORD:?}", "${T:-x y}", "$$x", "${B:-1}"]), max_size=3
        ),
        "volumes": st.lists(st.sampled_from(["./a:/a", "data:/data"]), max_size=2),
    },
)
compose_files = st.one_of(
    st.text(max_size=80), st.dictionaries(names, built, max_size=4).map(lambda found: json.dumps({"services": found}))
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(names, max_size=4, unique_by=str.lower), compose_files)
def test_any_folder_names_and_any_compose_file(folders: list[str], compose: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        for name in {*folders} - {"compose.yaml"}:
            (root / name).mkdir(exist_ok=True)
            (root / name / "Dockerfile").write_text("FROM x\n")
            (root / name / "x").write_text("")
        (root / "compose.yaml").write_text(compose, encoding="utf-8", errors="replace")
        proposal = proposed(root)
        write(proposal.changes, root)
        load(root, environ={})
        assert proposed(root).changes == ()
        template = root / ".env.template"
        assert not template.exists() or parse(template.read_bytes()).wrong == ()


@given(st.text())
def test_a_name_out_of_any_text_is_a_name(text: str) -> None:
    from shiptasks.config.types import check_name

    check_name(name_of(text))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_quoted_as_toml_reads_it(text: str) -> None:
    from shiptasks.config.toml import parse as parse_toml

    assert parse_toml(f"x = {quoted(text)}") == {"x": text}
