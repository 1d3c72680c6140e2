"""What `inv --list` shows, and whose task runs."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.tasks.conftest import TASKS, Repo

LIGHT = ("shiptasks.errors", "shiptasks.lazy")
HEAVY = ("fabric", "paramiko", "docker", "python_on_whales", "rich", "pydantic", "pydantic_core", "tomli", "tomllib")


def names(repo: Repo) -> dict[str, str]:
    """Tasks as listed: name and help."""
    done = repo.inv("--list", env={"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^ {2,4}(\S+)(?: \([^)]*\))? {2,}(.*)$|^ {2,4}([a-z]\S*)$", done.stdout, re.M)
    rows = [(name or bare, text) for name, text, bare in rows]
    return dict(rows)


def test_two_lines_give_every_task(repo: Repo) -> None:
    listed = names(repo)
    assert {"check", "lint", "test", "config"} <= set(listed)
    assert all(listed.values())
    assert not any(name.startswith("_") for name in listed)


def test_listing_imports_nothing_heavy(repo: Repo) -> None:
    done = subprocess.run(
        [repo.argv()[0], "-X", "importtime", "-m", "invoke", "--list"],
        cwd=repo.root,
        env=repo.env,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert "shiptasks.tasks._namespace" in imported
    assert heavy(imported) == set()


def test_listing_leaves_nothing_heavy_loaded(repo: Repo) -> None:
    # What importlib.import_module loads, -X importtime does not show.
    script = (
        "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from invoke.main import program\nprogram.run(['inv', '--list'])\n"
    )
    argv = [repo.argv()[0], "-c", script]
    done = subprocess.run(argv, cwd=repo.root, env=repo.env, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert {"shiptasks.tasks.check", "shiptasks.tasks.config", "tasks"} <= loaded
    assert heavy(loaded) == set()


def heavy(modules: set[str]) -> set[str]:
    ours = {module for module in modules if module.startswith("shiptasks.")}
    allowed = {module for module in ours if module.startswith("shiptasks.tasks") or module in LIGHT}
    return {module for module in modules if module.split(".")[0] in HEAVY} | (ours - allowed)


def test_the_files_own_tasks_are_listed_wherever_they_stand(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"from invoke import task\n@task\ndef before(c):\n    'first'\n{TASKS}"
        "@task(aliases=['later'])\ndef after_it(c):\n    'second'\n    print('ran')\n@task\ndef _hidden(c): pass\n",
    )
    listed = names(repo)
    assert (listed["before"], listed["after-it"]) == ("first", "second")
    assert "check" in listed
    assert not any("hidden" in name for name in listed)
    assert repo.inv("later").stdout == "ran\n"


def test_a_task_of_the_file_replaces_ours(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"{TASKS}from invoke import task\nfrom shiptasks.tasks import check as ours\n"
        "@task\ndef check(c):\n    'mine'\n    print('first mine', flush=True)\n    ours(c)\n",
    )
    assert names(repo)["check"] == "mine"
    done = repo.inv("check")
    assert done.returncode == 0
    assert done.stdout.index("first mine") < done.stdout.index("check shop")


def test_imported_with_a_star_the_files_own_tasks_are_there_too(repo: Repo) -> None:
    repo.write("ci/shared.py", f"{TASKS}from invoke import task\n@task\ndef shared(c): print('shared')\n")
    repo.write("ci/__init__.py", "")
    repo.write("tasks.py", "from invoke import task\nfrom ci.shared import *\n@task\ndef local(c): print('local')\n")
    assert {"shared", "local", "check"} <= set(names(repo))
    done = repo.inv("check")  # the repository is where tasks.py is
    assert done.returncode == 0, done.stderr


def test_a_tasks_package_belongs_to_the_folder_around_it(repo: Repo) -> None:
    (repo.root / "tasks.py").unlink()
    repo.write("tasks/__init__.py", f"{TASKS}from invoke import task\n@task\ndef own(c): pass\n")
    assert {"own", "check"} <= set(names(repo))
    assert repo.inv("check").returncode == 0


def test_it_works_from_a_folder_below(repo: Repo) -> None:
    below = repo.root / "api" / "src"
    below.mkdir(parents=True)
    done = repo.inv("check", cwd=below)
    assert done.returncode == 0, done.stderr
    assert len(repo.runs()) == 1


def test_it_can_be_a_part_of_a_users_collection(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        "from invoke import Collection, task\nimport shiptasks\n@task\ndef own(c): pass\n"
        "ns = Collection(own)\nns.add_collection(shiptasks.namespace(), 'ship')\n",
    )
    listed = names(repo)
    assert "ship.check" in listed
    assert "own" in listed
    assert repo.inv("ship.check").returncode == 0


def test_collections_and_further_tasks_can_be_added(repo: Repo) -> None:
    repo.write("more.py", "from invoke import task\n@task\ndef one(c): print('one')\n")
    repo.write(
        "tasks.py",
        "import shiptasks, more\nfrom invoke import task, Collection\n"
        "@task\ndef inner(c): pass\n@task\ndef named(c): pass\n@task\ndef given(c): pass\n"
        "ns = shiptasks.namespace(more, given)\nns.add_collection(Collection('sub', inner))\n"
        "ns.add_task(named, name='other')\n",
    )
    listed = set(names(repo))
    assert {"more.one", "sub.inner", "other", "given", "check"} <= listed
    assert listed.isdisjoint({"inner", "named"})


def test_the_root_can_be_given(repo: Repo) -> None:
    repo.write("product/pyproject.toml", (repo.root / "pyproject.toml").read_text().replace("shop", "other"))
    repo.write(
        "tasks.py",
        "import shiptasks\nfrom pathlib import Path\n"
        "ns = shiptasks.namespace(root=Path(__file__).parent / 'product')\n",
    )
    assert "check other" in repo.inv("check").stdout


def test_tasks_that_run_before_may_be_named_and_are_those_that_stand(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"{TASKS}import invoke\n@shiptasks.task('check')\ndef release(c):\n    print('released')\n"
        "@invoke.task\ndef check(c):\n    print('my check')\n",
    )
    assert repo.inv("release").stdout == "my check\nreleased\n"


def test_a_name_that_nobody_has_is_said(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}@shiptasks.task(pre=['chekc'])\ndef release(c): pass\n")
    done = repo.inv("release")
    assert done.returncode == 2
    assert done.stderr.strip() == "The task 'release' runs with 'chekc', and there is no task of that name."


def test_two_tasks_of_one_factory_both_run(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"{TASKS}def make(word):\n    @shiptasks.task(name=word)\n    def say(c): print(word)\n    return say\n"
        "one, two = make('one'), make('two')\n@shiptasks.task(one, two, two)\ndef both(c): pass\n",
    )
    assert repo.inv("both").stdout == "one\ntwo\n"


@pytest.mark.parametrize("task", ["check", "lint", "test", "config"])
def test_help_shows_help_and_runs_nothing(repo: Repo, task: str) -> None:
    done = repo.inv(task, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage:")
    assert "--set" in done.stdout
    assert re.search(r"--format=STRING +what stdout holds \(text or json; default: text\)", done.stdout)
    assert "--debug" in done.stdout
    assert not (repo.root / ".shiptasks").exists()


def test_every_argument_of_every_task_has_its_help(repo: Repo) -> None:
    for task in names(repo):
        options = repo.inv(task, "--help", env={"COLUMNS": "200"}).stdout.partition("Options:")[2]
        rows = re.findall(r"^  (-\S+(?:, \S+)*)(?: {2,}(\S.*))?$", options, re.M)
        assert dict(rows)["--debug"]
        assert [flag for flag, text in rows if not text] == [], task
