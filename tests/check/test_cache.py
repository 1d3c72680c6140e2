from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from shiptasks.check.cache import Cache
from shiptasks.check.depends import Depends, Stage
from shiptasks.check.fingerprint import Files
from shiptasks.check.globs import Globs
from shiptasks.errors import UsageError


class Repo:
    """A folder with one stage, and what a run does with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / ".shiptasks"
        self.cache = Cache(self.state)
        self.out = root / "out"
        self.out.mkdir()
        self.write("src/a.py", "a = 1")
        self.write("src/b.py", "b = 1")
        self.write("bin/tool", "#!/bin/sh\necho tool 1.0\n")
        (root / "bin/tool").chmod(0o755)

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def stage(self, **changes: Any) -> Stage:
        made = Stage(
            id="test.unit",
            root=self.root,
            cwd=self.root,
            argv=("tool", "-q"),
            inputs=Globs(("src",)),
            environ={"PATH": f"{self.root}/bin{os.pathsep}/usr/bin:/bin", "TOKEN": "secret", "MODE": "fast"},
        )
        return dataclasses.replace(made, **changes)

    def look(self, **changes: Any) -> Depends:
        return self.cache.look(self.stage(**changes), Files(self.root, self.state))

    def passed(self, **artifacts: Path) -> Depends:
        now = self.look()
        assert self.cache.store("test.unit", now, self.look(), "3 passed", 1.5, artifacts) == ""
        return now

    @property
    def entry(self) -> Path:
        (entry,) = (self.state / "cache/stages").iterdir()
        return entry


def dead_process() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


def test_a_success_is_a_hit_while_nothing_changes(repo: Repo) -> None:
    assert repo.cache.hit("test.unit", repo.look()) is None
    repo.passed()
    hit = Cache(repo.state).hit("test.unit", repo.look())
    assert hit is not None
    assert (hit.detail, hit.seconds, hit.artifacts) == ("3 passed", 1.5, {})
    assert abs(hit.at - time.time()) < 60
    assert repo.cache.explain("test.unit", repo.look()) == ""


def test_entries_are_of_one_stage(repo: Repo) -> None:
    repo.passed()
    assert repo.cache.hit("test.Unit", repo.look()) is None
    assert repo.cache.hit("test.unit.api", repo.look()) is None


def change_file(repo: Repo) -> dict[str, Any]:
    repo.write("src/a.py", "a = 2")
    return {}


def change_files(repo: Repo) -> dict[str, Any]:
    repo.write("src/b.py", "b = 2")
    (repo.root / "src/a.py").unlink()
    repo.write("src/c.py", "")
    return {}


def add_file(repo: Repo) -> dict[str, Any]:
    repo.write("src/deep/c.py", "")
    return {}


def remove_file(repo: Repo) -> dict[str, Any]:
    (repo.root / "src/b.py").unlink()
    return {}


def update_tool(repo: Repo) -> dict[str, Any]:
    repo.write("bin/tool", "#!/bin/sh\necho tool 1.0.1\n")
    return {}


def environ(repo: Repo, **changes: str) -> dict[str, str]:
    return {**repo.stage().environ, **changes}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (change_file, "src/a.py changed"),
        (change_files, "src/a.py and 2 more files changed"),
        (add_file, "src/deep/c.py is new"),
        (remove_file, "src/b.py is gone"),
        (update_tool, "the tool changed"),
        (lambda repo: {"argv": ("tool", "-v")}, "the command changed"),
        (lambda repo: {"argv": ("nosuch", "-q")}, "the command changed, the tool changed"),
        (lambda repo: {"cwd": repo.root / "src"}, "its folder changed"),
        (lambda repo: {"names": ("MODE",)}, "MODE changed"),
        (lambda repo: {"version": ("tool",)}, "the tool changed"),
        (lambda repo: {"environ": environ(repo, PATH="/usr/bin:/bin")}, "the tool changed"),
    ],
)
def test_whatever_changes_makes_it_run_and_is_told(repo: Repo, change: Any, why: str) -> None:
    repo.passed()
    now = repo.look(**change(repo))
    assert repo.cache.hit("test.unit", now) is None
    assert repo.cache.explain("test.unit", now) == why


def test_shiptasks_and_python_count(repo: Repo) -> None:
    now = repo.passed()
    updated = {
        "shiptasks changed": dataclasses.replace(now, shiptasks="9.9"),
        "Python changed": dataclasses.replace(now, python="cpython 3.99"),
    }
    for why, other in updated.items():
        assert repo.cache.hit("test.unit", other) is None
        assert repo.cache.explain("test.unit", other) == why


def test_without_a_success_it_is_the_first_run(repo: Repo) -> None:
    assert repo.cache.explain("test.unit", repo.look()) == "first run"


def test_only_named_variables_count_and_their_values_are_not_kept(repo: Repo) -> None:
    assert repo.look().key == repo.look(environ=environ(repo, MODE="slow", OTHER="1")).key
    with_names = {"names": ("TOKEN", "MODE", "UNSET")}
    now = repo.look(**with_names)
    assert now.key != repo.look(**with_names, environ=environ(repo, MODE="slow")).key
    assert now.key != repo.look(**with_names, environ=environ(repo, UNSET="")).key, "set to nothing is not unset"
    repo.cache.store("test.unit", now, now, "", 1)
    assert not [path for path in repo.entry.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_the_folder_of_a_run_does_not_count(repo: Repo) -> None:
    one, two = (
        repo.look(
            out=out,
            argv=("tool", f"--junitxml={out}/junit.xml"),
            names=("COVERAGE_FILE",),
            environ=environ(repo, COVERAGE_FILE=f"{out}/.coverage"),
        )
        for out in (repo.root / "runs/1/out", repo.root / "runs/2/out")
    )
    assert one == two
    assert one.argv == ("tool", "--junitxml={out}/junit.xml")


def test_a_tool_in_a_folder_is_looked_for_where_the_stage_runs(repo: Repo) -> None:
    by_path = repo.look(argv=("../bin/tool",), cwd=repo.root / "src")
    assert f" {repo.root}/bin/tool " in by_path.tool
    relative = repo.look(cwd=repo.root / "src", environ=environ(repo, PATH="../bin"))
    assert f" {repo.root}/bin/tool " in relative.tool
    assert repo.look(argv=("nosuch",)).tool == ""


def test_a_link_to_another_tool_counts(repo: Repo) -> None:
    repo.write("bin/one", "1")
    repo.write("bin/two", "2")
    for name in ("one", "two"):
        (repo.root / "bin" / name).chmod(0o755)
        os.utime(repo.root / "bin" / name, (1, 1))
    (repo.root / "bin/tool").unlink()
    (repo.root / "bin/tool").symlink_to("one")
    first = repo.look()
    (repo.root / "bin/tool").unlink()
    (repo.root / "bin/tool").symlink_to("two")
    assert repo.look().key != first.key


def test_the_version_command_runs_once(repo: Repo) -> None:
    repo.write("bin/version", "#!/bin/sh\necho >>calls\necho tool 2.0\n")
    (repo.root / "bin/version").chmod(0o755)
    first = repo.look(version=("version", "--version"))
    assert first.version == "tool 2.0\n\n0"
    assert repo.look(version=("version", "--version")) == first
    assert (repo.root / "calls").read_text() == "\n"
    repo.write("bin/version", "#!/bin/sh\necho tool 2.1 >&2\nexit 3\n")
    assert repo.look(version=("version", "--version")).version == "\ntool 2.1\n3"
    assert repo.look(version=("nosuch", "--version")).version == "the command 'nosuch' was not found"


def test_inputs_that_match_nothing_are_an_error_at_their_place(repo: Repo) -> None:
    with pytest.raises(UsageError) as caught:
        repo.look(inputs=Globs(("src", "test/**"), where="pyproject.toml:9"))
    assert caught.value.what == "the input 'test/**' matches no file"
    assert caught.value.where == "pyproject.toml:9"
    assert not (repo.state / "cache/stages").exists()


def test_reports_come_back_as_copies(repo: Repo, tmp_path: Path) -> None:
    junit, data = repo.write("junit.xml", "<testsuites/>"), repo.write("cov", "\0data")
    repo.passed(**{"junit.xml": junit, ".coverage.1": data})
    junit.unlink()
    hit = repo.cache.hit("test.unit", repo.look(), into=repo.out)
    assert hit is not None
    assert hit.artifacts == {"junit.xml": repo.out / "junit.xml", ".coverage.1": repo.out / ".coverage.1"}
    assert (repo.out / "junit.xml").read_text() == "<testsuites/>"
    assert (repo.out / ".coverage.1").read_bytes() == b"\0data"
    assert set(repo.cache.hit("test.unit", repo.look()).artifacts) == {"junit.xml", ".coverage.1"}  # type: ignore[union-attr]


def test_a_report_that_is_gone_or_cut_off_is_no_hit_and_leaves_no_copies(repo: Repo) -> None:
    repo.passed(a=repo.write("a", "first"), b=repo.write("b", "second"))
    (repo.entry / "artifacts/b").write_text("sec")
    assert repo.cache.hit("test.unit", repo.look(), into=repo.out) is None
    (repo.entry / "artifacts/b").unlink()
    assert repo.cache.hit("test.unit", repo.look(), into=repo.out) is None
    assert list(repo.out.iterdir()) == []


def test_reports_that_cannot_be_copied_are_no_hit(repo: Repo) -> None:
    repo.passed(a=repo.write("a", "first"), b=repo.write("b", "second"))
    (repo.out / "b").mkdir()
    assert repo.cache.hit("test.unit", repo.look(), into=repo.out) is None
    assert [path.name for path in repo.out.iterdir()] == ["b"]
    assert repo.cache.hit("test.unit", repo.look(), into=repo.root / "nowhere") is None


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b"])
def test_names_of_reports_are_names_of_files(repo: Repo, name: str) -> None:
    now = repo.look()
    with pytest.raises(ValueError, match="is not the name of a file"):
        repo.cache.store("test.unit", now, now, "", 1, {name: repo.write("a", "")})
    assert not (repo.state / "cache/stages").exists()


def test_nothing_is_kept_when_inputs_changed_while_it_ran(repo: Repo) -> None:
    before = repo.passed()
    repo.write("src/a.py", "fixed by a linter")
    assert repo.cache.store("test.unit", before, repo.look(), "ok", 1) == "src/a.py changed while it ran"
    assert repo.cache.hit("test.unit", repo.look()) is None
    assert repo.cache.explain("test.unit", repo.look()) == "src/a.py changed", "the success before is still known"


def test_a_later_success_takes_the_place_of_the_earlier(repo: Repo) -> None:
    repo.passed(old=repo.write("old", "old"))
    repo.write("src/a.py", "a = 2")
    repo.passed(new=repo.write("new", "new"))
    assert [path.name for path in (repo.entry / "artifacts").iterdir()] == ["new"]
    repo.write("src/a.py", "a = 1")
    assert repo.cache.hit("test.unit", repo.look()) is None


def test_entries_are_for_the_owner_only(repo: Repo) -> None:
    repo.passed(report=repo.write("report", ""))
    made = [repo.state / "cache", *(repo.state / "cache").rglob("*")]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()}
    assert modes == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"format": 1}', b'{"format": 2}', b"[" * 100_000]
)
def test_broken_entries_are_no_hits(repo: Repo, content: bytes) -> None:
    repo.passed()
    (repo.entry / "result.json").write_bytes(content)
    assert repo.cache.hit("test.unit", repo.look()) is None
    (repo.entry / "depends.json").write_bytes(content)
    assert repo.cache.explain("test.unit", repo.look()) == "first run"
    repo.passed()
    assert repo.cache.hit("test.unit", repo.look()) is not None


@pytest.mark.parametrize(
    ("key", "value"),
    [("artifacts", {"../../x": 0}), ("artifacts", ["a"]), ("seconds", "x"), ("at", None), ("key", "0"), ("stage", "x")],
)
def test_entries_that_were_tampered_with_are_no_hits(repo: Repo, key: str, value: object) -> None:
    repo.passed()
    raw = json.loads((repo.entry / "result.json").read_text())
    (repo.entry / "result.json").write_text(json.dumps({**raw, key: value}))
    assert repo.cache.hit("test.unit", repo.look(), into=repo.out) is None


def test_a_folder_that_cannot_be_written_is_no_error(repo: Repo) -> None:
    now = repo.look()
    (repo.state / "cache/stages").write_text("a file where the folder should be")
    assert repo.cache.store("test.unit", now, now, "ok", 1).startswith("it could not be written: ")
    assert repo.cache.hit("test.unit", now) is None
    repo.cache.prune(["test.unit"])


def test_a_report_that_is_not_there_is_no_error(repo: Repo) -> None:
    now = repo.look()
    why = repo.cache.store("test.unit", now, now, "ok", 1, {"junit.xml": repo.root / "nowhere"})
    assert why == "it could not be written: No such file or directory"
    assert list((repo.state / "cache/stages").iterdir()) == []


def test_entries_of_stages_that_are_gone_are_removed(repo: Repo) -> None:
    now = repo.look()
    for stage in ("test.unit", "test.old", "lint.ruff"):
        repo.cache.store(stage, now, now, "", 1)
    draft = repo.state / f"cache/stages/.draft-{os.getpid()}-0123abcd"
    draft.mkdir()
    repo.cache.prune(["test.unit", "lint.ruff", "test.new"])
    assert repo.cache.hit("test.old", now) is None
    assert repo.cache.hit("test.unit", now) is not None
    assert repo.cache.hit("lint.ruff", now) is not None
    assert draft.exists(), "what another thread is writing"


def test_what_a_killed_run_left_is_removed(repo: Repo) -> None:
    repo.passed()
    dead, alive = (repo.entry.parent / f".draft-{number}-0123abcd" for number in (dead_process(), os.getppid()))
    for path in (dead, alive):
        (path / "artifacts").mkdir(parents=True)
    Cache(repo.state)
    assert (dead.exists(), alive.exists()) == (False, True)


def test_any_name_of_a_stage_is_one_entry(repo: Repo) -> None:
    now = repo.look()
    for stage in ("..", "a/../../b", "x" * 500, "ä\n", ".", "test.unit.py3.12", "test.unit.2of4"):
        assert repo.cache.store(stage, now, now, stage, 1) == ""
        assert repo.cache.hit(stage, now).detail == stage  # type: ignore[union-attr]
    assert {path.name for path in repo.state.iterdir()} == {"cache"}
    assert len(list((repo.state / "cache/stages").iterdir())) == 7


def test_runs_at_once_see_whole_entries(repo: Repo) -> None:
    now = repo.look()
    wrong: list[object] = []

    def work(number: int) -> None:
        out = repo.root / f"out{number}"
        out.mkdir()
        mine = repo.write(f"report{number}", f"{number}" * 1000)
        cache = Cache(repo.state)
        for _ in range(30):
            cache.store("test.unit", now, now, f"{number}", 1, {"report": mine})
            if hit := cache.hit("test.unit", now, into=out):
                text = hit.artifacts["report"].read_text()
                if text != hit.detail * 1000:
                    wrong.append((hit.detail, text[:10]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert repo.cache.hit("test.unit", now) is not None
    assert len(list((repo.state / "cache/stages").iterdir())) == 1


def test_the_key_does_not_depend_on_order(repo: Repo) -> None:
    now = repo.look(names=("MODE", "TOKEN"))
    turned = dataclasses.replace(now, files=dict(reversed(list(now.files.items()))))
    assert turned.key == now.key == repo.look(names=("TOKEN", "MODE")).key
    assert sys.implementation.name in now.python
