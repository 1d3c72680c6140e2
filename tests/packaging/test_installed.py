"""shiptasks as people install it: from its wheel, in virtual environments of their own, with invoke 2.2 and 3.0."""

# ruff: noqa: E501 - files as they are
from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugin-example"
CACHE = ROOT / ".pytest_cache" / "packaging"
PAIRS = {"invoke-2.2": ("invoke==2.2.1", "fabric==3.2.3"), "invoke-3.0": ("invoke==3.0.3", "fabric==3.2.2")}
"""FACTS: fabric 3.2.3 wants invoke below 3; 3.2.2 is the same code and does not."""
CONFIG = """\
[tool.shiptasks]
project = "shop"
lint.words = "echo fine"
environments.staging.hosts = ["deploy@staging.example.com"]
environments.away = { hosts = ["here://x"], url = "http://127.0.0.1:1" }
"""
TASKS = """\
from typing import Literal
import shiptasks
from shiptasks import tasks

ns = shiptasks.namespace()

@shiptasks.task
def show(c, wait: shiptasks.Duration = shiptasks.Duration("5s"), level: Literal["low", "high"] = "low", names: list[str] = []):
    "Show."
    print(repr(wait), level, names, shiptasks.load(c).root.name)

@shiptasks.task(like=tasks.lint)
def lint(c, **options):
    "Mine."
    print("mine", flush=True)
    tasks.lint(c, **options)
"""


@dataclass(frozen=True)
class Installed:
    """A virtual environment with shiptasks in it, and a repository to use it in."""

    venv: Path
    root: Path

    def run(self, *argv: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV", "SHIPTASKS"))}
        env = {**keep, "PATH": f"{self.venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", **environ}
        return subprocess.run(
            [str(self.venv / "bin" / argv[0]), *argv[1:]],
            cwd=cwd or self.root,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def inv(self, *words: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.run("inv", *words, cwd=cwd, **environ)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)


@pytest.fixture(scope="session", params=PAIRS)
def venv(request: pytest.FixtureRequest) -> Path:
    """The environment of a pair. What it depends on stays in the cache; our wheel and the example's are put in anew."""
    wanted = PAIRS[request.param]
    key = hashlib.sha256(repr((wanted, sys.version, _dependencies())).encode()).hexdigest()[:12]
    place = CACHE / f"{request.param}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{request.param}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests may run in several processes
        stamp = place / ".ready"
        if not stamp.exists():
            shutil.rmtree(place, ignore_errors=True)
            _do(sys.executable, "-m", "venv", str(place))
            _pip(place, "install", "--compile", *wanted, *_dependencies())
            stamp.touch()
        ours = place / f".wheel-{_state()}"
        if not ours.exists():
            for folder in (ROOT, EXAMPLE):
                _pip(place, "install", "--compile", "--no-deps", "--force-reinstall", str(folder))
            for old in place.glob(".wheel-*"):
                old.unlink()
            ours.touch()
    return place


@pytest.fixture
def installed(venv: Path, tmp_path: Path) -> Installed:
    made = Installed(venv, tmp_path / "shop")
    made.write("pyproject.toml", CONFIG)
    made.write("tasks.py", TASKS)
    return made


def _dependencies() -> list[str]:
    from shiptasks.config.toml import parse

    project = parse((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [each for each in project["dependencies"] if not each.startswith(("invoke", "fabric"))]


def _state() -> str:
    """What the sources are now, so that a wheel is built again when they change."""
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes())
    for path in sorted([*(ROOT / "src").rglob("*"), *(EXAMPLE / "src").rglob("*"), EXAMPLE / "pyproject.toml"]):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _pip(venv: Path, *words: str) -> None:
    _do(str(venv / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", *words)


def _do(*argv: str, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600, cwd=ROOT, env=env)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"


def test_listing_configuration_and_checks(installed: Installed) -> None:
    listed = installed.inv("--list")
    assert listed.returncode == 0, listed.stderr
    assert "  This repository" in listed.stdout
    assert "config.schema" in listed.stdout
    assert 'project = "shop"' in installed.inv("config").stdout
    assert installed.inv("check").returncode == 0
    assert installed.inv("doctor", "--offline").returncode == 0
    tasks = json.loads(installed.inv("tasks", "--format=json").stdout)["result"]["tasks"]
    assert {"check", "show", "config.schema"} <= {each["name"] for each in tasks}


def test_arguments_overrides_help_and_wrong_words(installed: Installed) -> None:
    shown = installed.inv("show", "--wait=1m", "--level=high", "--names=a,b", "--names=c")
    assert shown.stdout == "Duration('1m') high ['a', 'b', 'c'] shop\n", shown.stderr
    assert re.match(r"mine\n\d\d:\d\d:\d\d lint shop\n", installed.inv("lint").stdout)
    helped = installed.inv("show", "--help")
    assert (helped.returncode, "(low or high; default: low)" in helped.stdout) == (0, True)
    assert "Duration('5s')" not in helped.stdout
    for words, said in (
        (("shwo",), "did you mean `show`?"),
        (("show", "--wiat=1s"), "did you mean `--wait`?"),
        (("show", "--level=hihg"), "--level=high"),
        (("show", "--wait"), "--wait needs a value"),
        (("config", "--env=stagign"), "did you mean `--env=staging`?"),
        (("config", "--set=deploy.bacth=1"), "did you mean `batch`?"),
    ):
        done = installed.inv(*words)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_a_subfolder_a_package_another_file_and_a_plain_collection(installed: Installed) -> None:
    below = installed.root / "a" / "b"
    below.mkdir(parents=True)
    assert installed.inv("check", cwd=below).returncode == 0
    installed.write("release.py", TASKS)
    assert installed.inv("-c", "release", "show").stdout.endswith("shop\n")
    (installed.root / "tasks.py").rename(installed.root / "other.py")
    installed.write("tasks/__init__.py", TASKS)
    assert installed.inv("show").stdout.endswith("shop\n")
    shutil.rmtree(installed.root / "tasks")
    installed.write(
        "tasks.py", "from invoke import Collection\nfrom shiptasks import tasks\nns = Collection(tasks.check)\n"
    )
    assert installed.inv("check").returncode == 0
    assert "did you mean `check`?" in installed.inv("chekc").stderr


def test_plain_python(installed: Installed) -> None:
    script = "import shiptasks; from shiptasks.tasks import lint; print(shiptasks.load().project); lint()"
    done = installed.run("python", "-c", script)
    assert done.returncode == 0, done.stderr
    assert re.match(r"shop\n\d\d:\d\d:\d\d lint shop\n", done.stdout)


def test_completion_and_the_schema_are_installed(installed: Installed) -> None:
    assert installed.inv("--complete", "--", "inv", "config", "--env=").stdout == "--env=away\n--env=staging\n"
    path = Path(installed.inv("config.schema", "--path").stdout.strip())
    assert installed.venv in path.parents
    assert json.loads(path.read_text())["properties"]["tool"]


def test_init_where_there_is_nothing(installed: Installed, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "Dockerfile").write_text("FROM alpine\n")
    assert installed.run("python", "-m", "shiptasks", "init", "--yes", cwd=empty).returncode == 0
    planned = installed.inv("build", "--plan", cwd=empty)
    assert "from Dockerfile" in planned.stdout, planned.stderr


def test_a_plugin_package_that_is_installed(installed: Installed) -> None:
    diary = installed.root / "diary.txt"
    installed.write(
        "pyproject.toml", f'{CONFIG}plugins.diary.file = "{diary}"\nplugins.todos = {{}}\nplugins.page.text = "x"\n'
    )
    installed.write("bad.py", "# FIXME now!\n")
    done = installed.inv("check")
    assert done.returncode == 1
    assert "scan todos" in done.stdout
    assert "1 finding: 1 high" in done.stdout
    assert diary.read_text().splitlines() == ["check of shop began", "it ended: failed"]
    script = (
        "import shiptasks\nfrom shiptasks.hosts import connect\nfrom shiptasks.verify import Expected, plan\n"
        "p = shiptasks.load(environment='away')\nh = connect(p, p.target.hosts[0])\n"
        "with h.session() as s: print(s.run('echo over').stdout.strip())\n"
        "h.close()\nprint([c.target for c in plan(p, {'here://x': Expected('1', 'r', {}, {}, ())})])\n"
    )
    used = installed.run("python", "-c", script)
    assert used.stdout == "over\n['GET http://127.0.0.1:1/']\n", used.stderr
    installed.write("pyproject.toml", f"{CONFIG}plugins.diray = {{}}\n")
    wrong = installed.inv("check")
    assert (wrong.returncode, "did you mean `diary`?" in wrong.stderr) == (2, True)
