"""Plugins: found by name, made with their options, used; and what is said of wrong ones."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from shiptasks.api.check import apply as run_check
from shiptasks.check.plan import plan as plan_check
from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.errors import UsageError
from shiptasks.hosts import connect
from shiptasks.plugins import discover
from shiptasks.run.aside import Aside
from shiptasks.run.events import Bus, Notice, RunFinished
from shiptasks.run.run import start
from shiptasks.verify.model import Expected, Facts
from shiptasks.verify.suite import plan as plan_verify

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin-example" / "src"
HEAD = '[tool.shiptasks]\nproject = "shop"\n'


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE))
    names = {
        "checks": {"page": "shiptasks_example:Page", "broken": "tests.plugins.test_plugins:Broken"},
        "notifiers": {"diary": "shiptasks_example:Diary"},
        "hosts": {"here": "shiptasks_example:Here"},
        "scanners": {"todos": "shiptasks_example:Todos", "mute": "tests.plugins.test_plugins:Mute"},
    }
    names["checks"] |= {"gone": "nowhere:Gone", "shapeless": "builtins:dict"}

    def installed(group: discover.Group) -> dict[str, EntryPoint]:
        return {name: EntryPoint(name, value, f"shiptasks.{group}") for name, value in names[group].items()}

    monkeypatch.setattr(discover, "installed", installed)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("shiptasks_example", None)


class Broken:
    def __init__(self, options: object) -> None: ...

    def checks(self, project: object, expected: object) -> object:
        raise RuntimeError("no idea")


class Mute:
    def __init__(self, options: object) -> None: ...

    def command(self, project: object) -> tuple[str, ...]:
        return ("true",)

    def findings(self, stdout: str, stderr: str, exit_code: int) -> object:
        raise ValueError("nothing was written")


def configured(root: Path, text: str, environment: str = "") -> Project:
    (root / "pyproject.toml").write_text(HEAD + text)
    return load(root, environment, environ={})


def refused(root: Path, text: str) -> UsageError:
    project = configured(root, text)
    with pytest.raises(UsageError) as caught:
        discover.enabled(project, "checks")
    assert caught.value.now == "nothing was run"
    return caught.value


@pytest.mark.parametrize(
    ("text", "what", "line", "hint"),
    [
        ("plugins.paeg = {}", "no installed package provides the plugin paeg", 3, "did you mean `page`?"),
        ("plugins.page = {}", "plugins.page.text: field required", 3, ""),
        ('plugins.page = { text = "x", pathh = "/" }', "plugins.page.pathh: unknown key", 3, "did you mean `path`?"),
        ("plugins.page = { text = 3 }", "plugins.page.text: input should be a valid string", 3, ""),
        ("plugins.gone = {}", "the plugin gone of an unknown package cannot be loaded: ModuleNotFoundError", 3, ""),
        ("plugins.shapeless = {}", "the plugin shapeless of an unknown package is none of shiptasks.checks", 3, ""),
    ],
)
def test_wrong_plugins_are_answered_at_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, what: str, line: int, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    error = refused(tmp_path, f"{text}\n")
    assert error.what.startswith(what), error.what
    assert error.where.startswith(f"pyproject.toml:{line}:")
    assert error.hint.startswith(hint)


def test_what_is_only_installed_does_nothing(tmp_path: Path) -> None:
    project = configured(tmp_path, "")
    assert [discover.enabled(project, group) for group in discover.GROUPS] == [(), (), (), ()]


def test_a_check_is_part_of_a_verification(tmp_path: Path) -> None:
    text = 'plugins.page.text = "Shop"\nplugins.broken = {}\nenvironments.local.url = "http://127.0.0.1:1"\n'
    project = configured(tmp_path, text, "local")
    expected = {"local": Expected("1.0.0", "r", {}, {}, ())}
    page, broken = plan_verify(project, expected)
    assert (page.target, page.group) == ("GET http://127.0.0.1:1/", "pages")
    verdict = broken.look(Facts())
    assert (verdict.status, verdict.detail) == ("error", "RuntimeError: no idea")


def test_a_scanner_is_a_stage_of_a_check(tmp_path: Path) -> None:
    project = configured(tmp_path, 'plugins.todos = {}\nplugins.mute = {}\nlint.a = "true"\n')
    (tmp_path / "a.py").write_text("x = 1  # FIXME later\n")
    commands = plan_check(project)
    assert [command.title for command in commands] == ["lint a", "scan todos", "scan mute"]
    results = {result.stage.name: result for result in run_check(project, commands).results}
    assert (results["todos"].outcome, results["todos"].detail) == ("ok", "1 finding: 1 low")
    assert results["mute"].outcome == "failed"
    assert results["mute"].detail == "what it wrote cannot be read: ValueError: nothing was written"
    (tmp_path / "b.py").write_text("# FIXME now!\n")
    results = {result.stage.name: result for result in run_check(project, commands).results}
    assert (results["todos"].outcome, results["todos"].detail) == ("failed", "2 findings: 1 high, 1 low")


def test_a_way_to_a_host(tmp_path: Path) -> None:
    project = configured(tmp_path, 'environments.x.hosts = ["here://anything"]\n', "x")
    assert project.target.hosts[0].plugin == "here"
    host = connect(project, project.target.hosts[0])
    with host.session() as session:
        assert session.run("echo hello").stdout == "hello\n"
    host.close()
    with pytest.raises(UsageError, match="no installed package provides the plugin there"):
        connect(project, "there://x")


@pytest.mark.parametrize(
    "address", ["ssh://h", "http://h", "X://h", "here://", "here://-x", "here://a b", "://x", "a:b://c"]
)
def test_addresses_that_are_none(tmp_path: Path, address: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f'{HEAD}environments.x.hosts = ["{address}"]\n')
    with pytest.raises(UsageError):
        load(tmp_path, environ={})


def test_a_notifier_is_told_of_every_run(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    project = configured(tmp_path, f'plugins.diary.file = "{diary}"\n')
    with start(project, "check"):
        pass
    assert diary.read_text() == "check of shop began\nit ended: ok\n"


def test_a_notifier_without_its_options(tmp_path: Path) -> None:
    project = configured(tmp_path, "plugins.diary = {}\n")
    with pytest.raises(UsageError, match=r"plugins\.diary: `file` says where the diary is"), start(project, "check"):
        raise AssertionError("nothing may run")


class Slow:
    def handle(self, event: object) -> None:
        time.sleep(60)


class Failing:
    def handle(self, event: object) -> None:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("inner", "said"), [(Slow(), "has not ended within 0.1 seconds"), (Failing(), "failed: RuntimeError: no")]
)
def test_a_notifier_that_fails_or_is_slow_changes_nothing(
    inner: Slow | Failing, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    bus = Bus(Aside("x", inner, patience=0.1))
    bus.emit(Notice(text="a"))
    bus.emit(RunFinished(outcome="ok", seconds=1, exit_code=0))
    assert time.monotonic() - began < 30
    assert f"the notifier x {said}" in capfd.readouterr().err
