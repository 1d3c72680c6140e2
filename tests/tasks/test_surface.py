"""Which tasks there are and whose they are, `--set`, listings, completion, and commands that are ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import shiptasks
from shiptasks.errors import UsageError
from shiptasks.tasks.completion import SCRIPTS
from tests.tasks.conftest import TASKS, Repo


def listed(repo: Repo) -> list[str]:
    done = repo.inv("tasks", "--format=json")
    assert done.returncode == 0, done.stderr
    return [each["name"] for each in json.loads(done.stdout)["result"]["tasks"]]


def test_only_some_of_ours(repo: Repo) -> None:
    repo.write("tasks.py", "import shiptasks\nns = shiptasks.namespace(include=['check', 'config', 'tasks'])\n")
    assert listed(repo) == ["check", "config", "tasks"]
    repo.write("tasks.py", "import shiptasks\nns = shiptasks.namespace(exclude=['deploy', 'down'])\n")
    assert {"check", "rollback", "config.schema"} <= set(listed(repo))
    assert not {"deploy", "down"} & set(listed(repo))


@pytest.mark.parametrize("word", ["include", "exclude"])
def test_a_name_that_is_none_of_ours_is_said(repo: Repo, word: str) -> None:
    repo.write("tasks.py", f"import shiptasks\nns = shiptasks.namespace({word}=['chekc'])\n")
    done = repo.inv("--list")
    assert done.returncode == 2
    assert done.stderr == f"namespace({word}=…): shiptasks has no task 'chekc'; did you mean `check`?\n"


def test_ours_below_a_prefix(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS.replace('()', '(prefix=' + repr('ship') + ')')}@shiptasks.task\ndef own(c): pass\n")
    names = set(listed_by(repo, "ship.tasks"))
    assert {"own", "ship.check", "ship.config", "ship.config.schema"} <= names
    assert "check" not in names
    assert repo.inv("ship.check").returncode == 0


def listed_by(repo: Repo, task: str) -> list[str]:
    return [each["name"] for each in json.loads(repo.inv(task, "--format=json").stdout)["result"]["tasks"]]


OVERRIDE = f"""{TASKS}from shiptasks import tasks

@shiptasks.task(tasks.lint)
def release(c):
    shiptasks.call(c, "test")
    print("released")

@shiptasks.task(post=[tasks.lint])
def lint(c):
    print("my lint")

@shiptasks.task
def test(c):
    print("my test")
"""


def test_an_override_reaches_what_runs_before_and_what_is_called_by_name(repo: Repo) -> None:
    repo.write("tasks.py", OVERRIDE)
    out = repo.inv("release").stdout
    assert re.match(r"my lint\n\d\d:\d\d:\d\d lint shop", out)  # and then ours, which the override has after it
    assert out.endswith("my test\nreleased\n")


def test_a_task_that_has_parts_below_it_can_be_replaced(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef config(c):\n    print('mine')\n")
    assert repo.inv("config").stdout == "mine\n"
    assert repo.inv("config.schema", "--path").stdout.endswith("pyproject.json\n")


def test_a_name_that_is_called_and_is_none(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef go(c):\n    shiptasks.call(c, 'chekc')\n")
    done = repo.inv("go")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "✗ there is no task 'chekc'")
    assert "did you mean `check`?" in done.stderr


def test_the_configuration_of_a_task_with_its_flags(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"{TASKS}@shiptasks.task\ndef keep(c, env=''):\n    print(shiptasks.load(c, env).deploy.keep)\n"
        "@shiptasks.task\ndef outer(c):\n    keep(c)\n",
    )
    assert repo.inv("keep").stdout == "5\n"
    assert repo.inv("keep", "--set", "deploy.keep=7", "--set=deploy.batch=2").stdout == "7\n"
    assert repo.inv("outer", "--set=deploy.keep=7").stdout == "7\n"
    wrong = repo.inv("keep", "--set=deploy.kep=7")
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines() == [
        "✗ deploy.kep: unknown key",
        "  where  --set deploy.kep",
        "  now    nothing was run",
        "  next   did you mean `keep`?",
    ]


def test_load_finds_the_repository_from_plain_python(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    below = repo.root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert shiptasks.load().root == repo.root
    assert shiptasks.load(repo.root, "staging").target.hosts == ("deploy@staging.example.com",)
    with pytest.raises(UsageError, match="there is no environment `x`"):
        shiptasks.load(environment="x")


def test_another_tasks_file_and_a_package(repo: Repo) -> None:
    repo.write("release.py", f"{TASKS}@shiptasks.task\ndef only_here(c): pass\n")
    done = repo.inv("-c", "release", "tasks", "--format=json")
    assert "only-here" in [each["name"] for each in json.loads(done.stdout)["result"]["tasks"]]
    assert repo.inv("-c", "release", "check").returncode == 0


def test_our_tasks_in_threads_share_nothing(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"""{TASKS}import threading

@shiptasks.task
def one(c, number: int = 0):
    c.config.run.env = {{"N": str(number)}}
    for _ in range(5):
        assert c.run("echo $N", hide=True).stdout == f"{{number}}\\n"

@shiptasks.task
def many(c):
    wrong = []
    def go(number):
        try:
            one(c, number=number)
        except BaseException as error:
            wrong.append(error)
    threads = [threading.Thread(target=go, args=(number,)) for number in range(8)]
    for each in threads: each.start()
    for each in threads: each.join()
    print("wrong:", wrong)
""",
    )
    assert repo.inv("many").stdout == "wrong: []\n"


def test_commands_run_in_the_root_from_a_folder_below(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef where(c):\n    c.run('pwd')\n    c.run('pwd', pty=True)\n")
    below = repo.root / "a"
    below.mkdir()
    done = repo.inv("where", cwd=below)
    assert [line.strip() for line in done.stdout.splitlines()] == [str(repo.root)] * 2


def test_a_failing_command_shows_what_it_said(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef bad(c):\n    c.run('echo why; exit 3', hide=True)\n")
    done = repo.inv("bad")
    assert done.returncode == 3
    assert "why" in done.stderr


@pytest.mark.parametrize("pty", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_commands_of_a_task(repo: Repo, pty: bool, number: signal.Signals) -> None:
    command = "sh -c 'echo $$ > inner; sleep 60; :' & echo $$ > outer; wait"
    repo.write(
        "tasks.py",
        f"{TASKS}@shiptasks.task\ndef long(c):\n    try:\n        c.run({command!r}, pty={pty})\n"
        "    finally:\n        print('cleaned up', flush=True)\n",
    )
    process = subprocess.Popen(
        repo.argv("long"), cwd=repo.root, env=repo.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    files = [repo.root / "outer", repo.root / "inner"]
    deadline = time.monotonic() + 20
    while not all(file.exists() and file.read_text().strip() for file in files) and time.monotonic() < deadline:
        time.sleep(0.02)
    children = [int(file.read_text()) for file in files]
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, "cleaned up" in out) == (130, True), err
    assert [each for each in children if _runs(each)] == []


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_list_is_grouped_and_fits(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef seed(c):\n    'Seed.'\n")
    lines = repo.inv("--list", env={"COLUMNS": "80"}).stdout.splitlines()
    assert [line.strip() for line in lines if line.startswith("  ") and line[2] != " "] == [
        "Check", "Ship", "Look", "Set up", "This repository",
    ]  # fmt: skip
    assert all(len(line) <= 80 and "…" not in line for line in lines)
    assert any(line.split() == ["seed", "Seed."] for line in lines)
    nested = repo.inv("--list", "--list-format=nested")
    assert nested.returncode == 0
    assert json.loads(repo.inv("--list", "--list-format=json").stdout)["tasks"]
    assert ".schema" in repo.inv("--list", "config").stdout


def test_tasks_as_json_say_what_an_editor_needs(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}from typing import Literal\n@shiptasks.task(help={{'level': 'how'}})\n"
                           "def seed(c, level: Literal['a', 'b'] = 'a'):\n    'Seed.'\n")  # fmt: skip
    document = json.loads(repo.inv("tasks", "--format=json").stdout)
    assert document["schema"] == 1
    seed = next(each for each in document["result"]["tasks"] if each["name"] == "seed")
    assert (seed["summary"], seed["group"], seed["line"]) == ("Seed.", "This repository", 5)
    assert seed["file"] == str(repo.root / "tasks.py")
    assert seed["parameters"] == [
        {
            "name": "level", "flag": "--level", "kind": "a or b", "default": "a", "required": False,
            "choices": ["a", "b"], "many": False, "help": "how (a or b; default: a)",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "some", "none"),
    [
        (["inv", "che"], {"check", "config.schema"}, {"--plan"}),
        (["inv", "config", "--"], {"--env=", "--set=", "--debug"}, {"check"}),
        (["inv", "config", "--env="], {"--env=staging"}, {"check"}),
        (["inv", "config", "--env", ""], {"staging"}, {"check"}),
        (["inv", "status", "--format="], {"--format=json"}, set()),
    ],
)
def test_completion_knows_tasks_flags_and_values(repo: Repo, words: list[str], some: set[str], none: set[str]) -> None:
    done = repo.inv("--complete", "--", *words)
    found = set(done.stdout.split("\n"))
    assert some <= found
    assert not none & found
    repo.write("pyproject.toml", "broken [")
    again = repo.inv("--complete", "--", *words)
    assert (again.returncode, again.stderr) == (0, "")


def test_bash_completes_an_environment(repo: Repo) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    inv = Path(sys.executable).parent
    script = (
        f"{SCRIPTS['bash']}\nCOMP_LINE='inv config --env=st' COMP_POINT=19\n_inv_shiptasks\nprintf '%s\\n' "
        "\"${COMPREPLY[@]}\"\nCOMP_LINE='inv conf' COMP_POINT=8\n_inv_shiptasks\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    env = {**repo.env, "PATH": f"{inv}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([bash, "-c", script], cwd=repo.root, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["staging", "config", "config.schema"]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_of_each_shell_is_printed(repo: Repo, shell: str) -> None:
    assert repo.inv("completion", f"--shell={shell}").stdout == SCRIPTS[shell]
