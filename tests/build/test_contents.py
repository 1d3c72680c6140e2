from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from shiptasks.build import contents as module
from shiptasks.build.contents import Contents


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are remembered at once, however young."""
    monkeypatch.setattr(module, "_TICK", -(10**12))


def digest(file: Path, path: Path) -> str:
    contents = Contents(file)
    found = contents.of(str(path), path.lstat())
    contents.save()
    return found


def kept(file: Path) -> set[str]:
    return set(json.loads(file.read_text())["files"]) if file.exists() else set()


def test_a_file_is_read_once(tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    file, path = tmp_path / "cache" / "files.json", tmp_path / "a"
    path.write_text("a")
    first = digest(file, path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setattr(module, "_hash", lambda *_: pytest.fail("read again"))
    assert digest(file, path) == first


def test_what_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    file, path = tmp_path / "cache" / "files.json", tmp_path / "a"
    path.write_text("a")
    first = digest(file, path)
    assert kept(file) == set(), "within the tick of a clock it may change unseen"
    path.write_text("b")
    assert digest(file, path) != first


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, path = tmp_path / "cache" / "files.json", tmp_path / "a"
    path.write_text("a")
    real = os.read

    def read(descriptor: int, size: int) -> bytes:
        chunk = real(descriptor, size)
        with path.open("a") as more:
            more.write("" if chunk == b"" else "more")
        return b"" if len(chunk) > 1 else chunk

    monkeypatch.setattr(os, "read", read)
    digest(file, path)
    assert kept(file) == set()


def test_files_that_are_gone_are_forgotten(tmp_path: Path, settled: None) -> None:
    file, one, other = tmp_path / "cache" / "files.json", tmp_path / "a", tmp_path / "b"
    for path in (one, other):
        path.write_text("a")
        digest(file, path)
    assert kept(file) == {str(one), str(other)}
    one.unlink()
    other.write_text("bb")
    digest(file, other)
    assert kept(file) == {str(other)}


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    status = path.lstat()
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        Contents(tmp_path / "files.json").of(str(path), status)


def test_where_nothing_can_be_kept_it_only_takes_longer(tmp_path: Path, settled: None) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    assert digest(path / "files.json", path) == digest(tmp_path / "files.json", path)
