from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from shiptasks.check import fingerprint
from shiptasks.check.fingerprint import Files
from shiptasks.check.globs import Globs
from shiptasks.errors import UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("src/a.py", "src/b.py", "src/gen/c.py", "docs/x.md"):
        write(tmp_path / path, path)
    return tmp_path


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old enough at once; else each test would have to wait for two seconds."""
    monkeypatch.setattr(fingerprint, "_TICK", -(10**12))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def hashes(root: Path, *patterns: str) -> Mapping[str, str]:
    return Files(root, root / ".shiptasks").hashes(Globs(patterns or ("src",)))


def kept(root: Path) -> dict[str, list[object]]:
    files: dict[str, list[object]] = json.loads((root / ".shiptasks/cache/files.json").read_text())["files"]
    return files


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    real = fingerprint._hash

    def note(whole: str, now: int) -> object:
        read.append(Path(whole).name)
        return real(whole, now)

    monkeypatch.setattr(fingerprint, "_hash", note)
    return read


def test_content_counts_and_nothing_else(root: Path) -> None:
    first = hashes(root)
    assert set(first) == {"src/a.py", "src/b.py", "src/gen/c.py"}
    os.utime(root / "src/a.py", (1, 1))
    write(root / "docs/x.md", "other")
    assert hashes(root) == first
    write(root / "src/a.py", "other")
    second = hashes(root)
    assert {path for path in first if first[path] != second[path]} == {"src/a.py"}
    write(root / "src/a.py", "src/a.py")
    assert hashes(root) == first


def test_the_executable_bit_counts(root: Path) -> None:
    first = hashes(root)
    (root / "src/a.py").chmod(0o755)
    assert hashes(root)["src/a.py"] == f"{first['src/a.py']}+x"


def test_unchanged_files_are_not_read_again(root: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_reads(monkeypatch)
    first = hashes(root)
    assert sorted(read) == ["a.py", "b.py", "c.py"]
    read.clear()
    assert hashes(root) == first
    assert read == []
    write(root / "src/b.py", "longer than it was")
    hashes(root)
    assert read == ["b.py"]


def test_a_file_that_was_put_in_the_place_of_another_is_read(root: Path, settled: None) -> None:
    path = root / "src/a.py"
    first, status = hashes(root), path.stat()
    write(root / "new", "SRC/A.PY")  # of the same length
    os.utime(root / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (root / "new").replace(path)
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert hashes(root)["src/a.py"] != first["src/a.py"]


def test_a_file_that_has_just_changed_is_read_again_next_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes(root)
    assert not (root / ".shiptasks/cache/files.json").exists(), "all of them are younger than the tick of a clock"
    time.sleep(2.1)
    write(root / "src/b.py", "now")
    hashes(root)
    assert sorted(kept(root)) == ["src/a.py", "src/gen/c.py"]
    read = count_reads(monkeypatch)
    hashes(root)
    assert read == ["b.py"]


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_change_within_one_tick_is_seen(root: Path, monkeypatch: pytest.MonkeyPatch, is_kept: bool) -> None:
    """As when a clock ticks slowly: size and times stay, and only that the young file was not kept finds it."""
    monkeypatch.setattr(fingerprint, "_signature", lambda status: (status.st_size, 1, 1, status.st_ino))
    if is_kept:
        monkeypatch.setattr(fingerprint, "_TICK", -(10**12))
    first = hashes(root)
    (root / "src/a.py").write_text("SRC/A.PY")
    assert (hashes(root)["src/a.py"] == first["src/a.py"]) is is_kept


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    root: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.read

    def read(descriptor: int, count: int) -> bytes:
        data = real(descriptor, count)
        if data == b"src/a.py":
            write(root / "src/a.py", "meanwhile")
        return data

    monkeypatch.setattr(os, "read", read)
    hashes(root)
    assert sorted(kept(root)) == ["src/b.py", "src/gen/c.py"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"format": 1}',
        b'{"format": 1, "root": 3, "files": {}}',
        b'{"format": 1, "root": "ROOT", "files": {"src/a.py": 1}}',
        b'{"format": 1, "root": "ROOT", "files": {"src/a.py": [1, 2, 3, 4, 5]}}',
        b'{"format": 1, "root": "ROOT", "files": []}',
        b"[" * 100_000,
    ],
)
def test_a_broken_stat_cache_is_not_believed(root: Path, settled: None, content: bytes) -> None:
    first = hashes(root)
    path = root / ".shiptasks/cache/files.json"
    path.write_bytes(content.replace(b"ROOT", os.fsencode(root)))
    assert hashes(root) == first
    assert sorted(kept(root)) == ["src/a.py", "src/b.py", "src/gen/c.py"]


def test_a_stat_cache_of_another_folder_is_not_believed(root: Path, settled: None, tmp_path: Path) -> None:
    hashes(root)
    path = root / ".shiptasks/cache/files.json"
    raw = json.loads(path.read_text())
    raw["root"] = "/elsewhere"
    raw["files"]["src/a.py"][4] = "0" * 40
    path.write_text(json.dumps(raw))
    assert "0" * 40 not in hashes(root).values()


def test_what_is_gone_is_forgotten_and_what_others_need_is_kept(root: Path, settled: None) -> None:
    hashes(root, "src", "docs")
    (root / "src/a.py").unlink()
    write(root / "src/b.py", "changed")
    hashes(root, "src")
    assert sorted(kept(root)) == ["docs/x.md", "src/b.py", "src/gen/c.py"]


def test_the_state_is_private_and_leaves_no_temporary_files(root: Path, settled: None) -> None:
    hashes(root)
    folder = root / ".shiptasks/cache"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "files.json").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["files.json"]


def test_what_a_killed_run_left_is_removed(root: Path, settled: None) -> None:
    hashes(root)
    with subprocess.Popen(["true"]) as process:
        pass
    folder = root / ".shiptasks/cache"
    names = [f".draft-{number}-0123abcd" for number in (process.pid, 10**9, os.getpid())]
    for name in (*names, ".draft-x"):
        write(folder / name, "half of it")
    hashes(root)
    assert {path.name for path in folder.iterdir()} == {"files.json", names[2], ".draft-x"}


def test_a_state_folder_that_cannot_be_written_costs_only_time(root: Path, settled: None) -> None:
    (root / ".shiptasks").write_text("a file where the folder should be")
    assert hashes(root) == hashes(root)
    assert set(hashes(root)) == {"src/a.py", "src/b.py", "src/gen/c.py"}


def test_several_threads_and_runs_at_once(root: Path, settled: None) -> None:
    shared = Files(root, root / ".shiptasks")
    expected = dict(hashes(root, "src", "docs"))
    (root / ".shiptasks/cache/files.json").unlink()
    wrong: list[object] = []

    def work(number: int) -> None:
        for _ in range(20):
            files = shared if number % 2 else Files(root, root / ".shiptasks")
            patterns = ("src", "docs") if number % 3 else ("src",)
            found = files.hashes(Globs(patterns))
            if any(expected[path] != text for path, text in found.items()):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert hashes(root, "src", "docs") == expected


def test_links_to_files_count_by_target_and_content(root: Path) -> None:
    (root / "src/link").symlink_to("../docs/x.md")
    first = hashes(root)
    assert first["src/link"].startswith("link ")
    write(root / "docs/x.md", "changed")
    second = hashes(root)
    assert first["src/link"] != second["src/link"]
    write(root / "docs/y.md", "changed")
    (root / "src/link").unlink()
    (root / "src/link").symlink_to("../docs/y.md")
    assert hashes(root)["src/link"] != second["src/link"], "the same content at another place"


def test_links_to_folders_are_not_followed(root: Path) -> None:
    (root / "src/loop").symlink_to(".")
    (root / "src/up").symlink_to("../docs")
    first = hashes(root)
    assert set(first) == {"src/a.py", "src/b.py", "src/gen/c.py", "src/loop", "src/up"}
    (root / "src/up").unlink()
    (root / "src/up").symlink_to("../src/gen")
    assert hashes(root)["src/up"] != first["src/up"]


def test_links_that_lead_nowhere_or_in_circles_count_by_target(root: Path) -> None:
    (root / "src/gone").symlink_to("nowhere")
    (root / "src/one").symlink_to("two")
    (root / "src/two").symlink_to("one")
    (root / "src/below").symlink_to("a.py/below")
    assert {"src/gone", "src/one", "src/two", "src/below"} < set(hashes(root))


def test_a_pattern_that_names_only_a_link_to_a_folder_is_refused(root: Path) -> None:
    (root / "lib").symlink_to("src")
    with pytest.raises(UsageError, match="the input 'lib' matches no file") as caught:
        hashes(root, "src", "lib")
    assert "never looked into are links to folders" in caught.value.hint


def test_a_pattern_without_files_is_refused(root: Path) -> None:
    (root / "empty").mkdir()
    for pattern in ("scr", "src/*.txt", "empty", "docs/*.py"):
        with pytest.raises(UsageError) as caught:
            hashes(root, "src", pattern)
        assert caught.value.what == f"the input {pattern!r} matches no file"


def test_what_tools_leave_behind_is_never_looked_into(root: Path) -> None:
    first = hashes(root, ".")
    for path in (".git/HEAD", "src/__pycache__/a.pyc", "web/node_modules/x/index.js", "src/.shiptasks/x"):
        write(root / path, "")
    for path in (".mypy_cache/CACHEDIR.TAG", ".venv/pyvenv.cfg"):
        write(root / path, "")
        write((root / path).parent / "deep/file", "")
    write(root / "other/.git", "gitdir: elsewhere")
    assert hashes(root, ".") == first


def test_pipes_sockets_and_devices_are_left_out_without_waiting_for_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hashes(root)
    os.mkfifo(root / "src/pipe")
    (root / "src/to-pipe").symlink_to("pipe")
    monkeypatch.chdir(root / "src")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert set(hashes(root)) - set(first) == {"src/to-pipe"}


def test_any_name(root: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [b"-rf", b"a b", b"new\nline", "ä🎉".encode(), b"quote\"'", b"*", b"back\\slash"]
    try:
        (root / "src" / os.fsdecode(b"latin\xe4")).write_text("")
        names.append(b"latin\xe4")
    except OSError:  # macOS takes only UTF-8
        pass
    for name in names:
        (root / "src" / os.fsdecode(name)).write_text("")
    first = hashes(root)
    assert {f"src/{os.fsdecode(name)}" for name in names} < set(first)
    read = count_reads(monkeypatch)
    assert hashes(root) == first
    assert read == []


def test_a_file_that_cannot_be_read_is_told_in_words(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, *rest: int) -> int:
        if str(path).endswith("b.py"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest)

    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(UsageError) as caught:
        hashes(root)
    assert caught.value.what == "the input 'src/b.py' cannot be read: Permission denied"
    assert caught.value.now == "nothing was run"


def test_a_folder_that_cannot_be_read_is_told_in_words(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("gen/"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything
    with pytest.raises(UsageError) as caught:
        hashes(root)
    assert caught.value.what == "the input 'src/gen/' cannot be read: Permission denied"
    monkeypatch.undo()
    hashes(root, "src", "!src/gen")


def test_a_file_that_vanishes_is_no_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fingerprint._hash

    def vanish(whole: str, now: int) -> object:
        if whole.endswith("a.py"):
            Path(whole).unlink()
        return real(whole, now)

    monkeypatch.setattr(fingerprint, "_hash", vanish)
    assert set(hashes(root)) == {"src/b.py", "src/gen/c.py"}
