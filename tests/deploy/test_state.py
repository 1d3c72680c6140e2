"""What is read of a host, also where a crash has cut it off."""

from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.deploy.layout import Layout
from shiptasks.deploy.state import HostState, JournalEntry, look, unfinished
from shiptasks.hosts.local import LocalHost
from tests.deploy.sample import bare, entry, project, release


def line(phase: str, step: str = "drain") -> str:
    return JournalEntry("r-1.1.0", "1.1.0", "ada@laptop", "", step, phase).to_line()


@pytest.mark.parametrize("phase", ["done", "taken-back"])
def test_journal_that_came_to_its_end(phase: str) -> None:
    assert unfinished("") is None
    assert unfinished(line("begin") + "\n" + line(phase, "") + "\n") is None


@pytest.mark.parametrize("phase", ["begin", "end", "not-restored"])
def test_journal_that_did_not(phase: str) -> None:
    found = unfinished(line(phase) + "\n")
    assert found is not None
    assert (found.version, found.step, found.phase) == ("1.1.0", "drain", phase)


@pytest.mark.parametrize("text", ['{"deploy": "r-1', "null", "[]", '{"deploy": 1}', line("done")[:-9]])
def test_line_that_was_cut_off_is_unfinished(text: str) -> None:
    found = unfinished(text)
    assert found is not None
    assert found.version == "unknown"


def looked(base: Path) -> HostState:
    host = LocalHost()
    try:
        with host.session() as session:
            return look(session, project(), Layout(str(base)), "local")
    finally:
        host.close()


def test_a_machine_on_which_nothing_is_deployed(tmp_path: Path) -> None:
    base = tmp_path / "not" / "there"
    state = looked(base)
    assert (state.current, state.releases, state.history, state.unfinished) == ("", (), (), None)
    assert state.writable
    assert state.disk_free > 0
    assert not base.exists()


def test_releases_history_and_what_was_cut_off(tmp_path: Path) -> None:
    base = tmp_path / "it's a $HOME"
    for version, deployed in (("1.0.0", True), ("1.1.0", True), ("1.2.0", False)):
        folder = base / "releases" / f"r-{version}"
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(release(version).to_json())
        if deployed:
            (folder / "deployed").touch()
    (base / "current").symlink_to("releases/r-1.1.0")
    (base / "history.jsonl").write_text(entry("1.0.0").to_line() + "\n" + entry("1.1.0").to_line() + "\n")
    (base / "journal.jsonl").write_text(line("done") + "\n" + line("begin", "stop it's $HOME") + "\n")
    state = looked(base)
    assert state.current == "r-1.1.0"
    assert state.release == release("1.1.0")
    assert [one.version for one in state.releases] == ["1.0.0", "1.1.0"]
    assert [one.version for one in state.history] == ["1.0.0", "1.1.0"]
    assert state.partial == ("r-1.2.0",)
    assert state.unfinished is not None
    assert state.unfinished.step == "stop it's $HOME"


@pytest.mark.parametrize(
    ("ref", "there"),
    [
        ("redis:7", True),
        ("redis:8", False),
        ("ghcr.io/acme/shop-api:1.0.0@sha256:aa", True),
        ("ghcr.io/acme/shop-api:1.0.0@sha256:bb", False),
        ("10.0.0.1:5000/shop-api@sha256:cc", True),
        ("sha256:dd", True),
    ],
)
def test_images(ref: str, there: bool) -> None:
    has = {"redis:7", "ghcr.io/acme/shop-api@sha256:aa", "10.0.0.1:5000/shop-api@sha256:cc", "sha256:dd"}
    assert bare(images=frozenset(has)).has_image(ref) is there
