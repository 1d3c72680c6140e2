"""Looking into the stream of `docker image save`: every layout, and streams that lie."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build import inside
from shiptasks.build.inside import File, Folder, Inside, folders, look

Entries = Mapping[str, int | str]


def archive(files: Mapping[str, bytes], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def layer(entries: Entries) -> bytes:
    """A number is the size of a file; `folder`, or the target of a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, what in entries.items():
            member = tarfile.TarInfo(name)
            if isinstance(what, int):
                member.size = what
                tar.addfile(member, io.BytesIO(b"x" * what))
            else:
                member.type = tarfile.DIRTYPE if what == "folder" else tarfile.SYMTYPE
                member.linkname = "" if what == "folder" else what
                tar.addfile(member)
    return buffer.getvalue()


def saved(*layers: bytes, order: object = None) -> bytes:
    """A stream as the engine writes it: blobs, then what says their order."""
    names = [f"blobs/sha256/{9 - index}" for index in range(len(layers))]
    manifest = [{"Config": "blobs/sha256/c", "Layers": names}] if order is None else order
    blobs = dict(sorted(zip(names, layers, strict=True)))
    config = {"blobs/sha256/c": b'{"history": []}' + b" " * 600}
    return archive({**config, **blobs, "index.json": b"{}", "manifest.json": json.dumps(manifest).encode()})


def chunks(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def test_files_and_folders_the_largest_first() -> None:
    first = layer({"usr": "folder", "usr/lib/a.so": 5000, "usr/lib/b.so": 3000, "etc/passwd": 40, "empty": 0})
    second = layer({"app/main.py": 900, "app/static/logo.png": 7000})
    for form in (first, gzip.compress(first)):
        assert look(chunks(saved(form, second))) == Inside(
            files=(
                File("app/static/logo.png", 7000),
                File("usr/lib/a.so", 5000),
                File("usr/lib/b.so", 3000),
                File("app/main.py", 900),
                File("etc/passwd", 40),
            ),
            folders=(Folder("usr/lib", 8000), Folder("app/static", 7000), Folder("etc", 40)),
        )


def test_what_later_layers_replace_or_remove_is_hidden_and_still_in_the_image() -> None:
    found = look(
        chunks(
            saved(
                layer({"a": 5000, "b/c": 4000, "d/e/f": 3000, "kept": 2000, "link": 1500, "g/h": 100}),
                layer({"a": 10, ".wh.b": 0, "d/.wh..wh..opq": 0, "d/new": 50, "link": "kept", "g/.wh.other": 0}),
            )
        )
    )
    assert found.files == (
        File("a", 5000, hidden=True),
        File("b/c", 4000, hidden=True),
        File("d/e/f", 3000, hidden=True),
        File("kept", 2000),
        File("link", 1500, hidden=True),
        File("g/h", 100),
        File("d/new", 50),
        File("a", 10),
    )
    assert found.folders == (Folder("g", 100), Folder("d", 50))
    assert found.whole


def test_a_layer_that_begins_with_a_file_that_looks_like_a_document() -> None:
    assert look(chunks(saved(layer({"{x": 700, "y": 5})))).files == (File("{x", 700), File("y", 5))


def test_an_empty_layer_and_the_old_layout() -> None:
    assert look(chunks(saved(layer({}), layer({"a": 9})))) == Inside((File("a", 9),), ())
    old = {"abc/layer.tar": layer({"a": 9}), "manifest.json": json.dumps([{"Layers": ["abc/layer.tar"]}]).encode()}
    assert look(chunks(archive(old))) == Inside((File("a", 9),), ())


def test_only_so_many_are_told() -> None:
    found = look(chunks(saved(layer({f"f{index:03}/x": 100 + index for index in range(50)}))), most=3)
    assert [file.size for file in found.files] == [149, 148, 147]
    assert [folder.path for folder in found.folders] == ["f049", "f048", "f047"]


def test_names_that_lead_out_are_names_inside_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = look(chunks(saved(layer({"../../etc/shadow": 30, "/abs": 20, "./x/../y": 10}))))
    assert found.files == (File("etc/shadow", 30), File("abs", 20), File("x/y", 10))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "order",
    [{}, [], "x", [{}], [{"Layers": 5}], [{"Layers": ["other"]}], [{"Layers": []}, {"Layers": []}]],
    ids=str,
)
def test_without_an_order_of_the_layers_it_is_said_that_not_all_is_known(order: object) -> None:
    assert not look(chunks(saved(layer({"a": 700}), order=order))).whole


def test_a_stream_that_ends_early_gives_what_was_there() -> None:
    whole = saved(layer({"a": 700, "b": 100_000}))
    found = look(chunks(whole[:20_000]))
    assert found == Inside((File("a", 700),), (), whole=False)


def test_a_layer_in_a_form_that_cannot_be_read_is_said() -> None:
    zstd = b"\x28\xb5\x2f\xfd" + b"x" * 2000
    assert look(chunks(saved(zstd, layer({"a": 5})))) == Inside((File("a", 5),), (), whole=False)


def test_a_header_that_is_too_large_is_not_read_into_memory() -> None:
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.XHDTYPE, 1 << 40
    bad = layer({"a": 700})[:1536] + member.tobuf(tarfile.GNU_FORMAT)
    found = look(chunks(saved(bad + b"\0" * 1024)))
    assert found.files == (File("a", 700),)
    assert not found.whole


def test_more_entries_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "MOST_ENTRIES", 10)
    found = look(chunks(saved(layer({f"a{index}": 1 + index for index in range(20)}), layer({"b": 99}))))
    assert len(found.files) == 10
    assert not found.whole


def test_an_interrupt_is_not_swallowed() -> None:
    def broken() -> Iterator[bytes]:
        yield saved(layer({"a": 5}))[:1500]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(broken())


@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_no_stream_raises(data: bytes, at: int) -> None:
    good = saved(layer({"a": 700, "b/c": 5}), gzip.compress(layer({"d": 9})))
    look(chunks(data))
    look(chunks(good[:at] + data))
    look(chunks(good[:at] + data + good[at + len(data) :]))


def test_folders_of_which_one_below_holds_nearly_all_are_left_out() -> None:
    below = {"usr": 100, "usr/lib": 90, "usr/lib/python3": 40, "usr/lib/x": 45, "opt": 10, "empty": 0}
    assert folders(below, 9) == (
        Folder("usr/lib", 90),
        Folder("usr/lib/x", 45),
        Folder("usr/lib/python3", 40),
        Folder("opt", 10),
    )
