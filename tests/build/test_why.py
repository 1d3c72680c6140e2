"""What takes the space, as people and programs get it; and what is said when nobody can look."""

from __future__ import annotations

import json

from shiptasks.build.inside import File, Folder, Inside
from shiptasks.build.layers import Layer
from shiptasks.build.why import Why

LONG = "/".join(f"folder{number}" for number in range(20))
WHY = Why(
    "api",
    "sha256:0123",
    (Layer(118_000_000, "RUN pip install " + "package " * 20), Layer(74_800_000, "")),
    Inside(
        (File("tmp/model.bin", 12_200_000, hidden=True), File(f"{LONG}/end.so", 900), File(f"{LONG}/x.so", 9, True)),
        (Folder(LONG, 4_000),),
    ),
)


def test_no_line_is_wider_than_asked_for() -> None:
    for columns in (80, 100, 60):
        assert max(map(len, WHY.text(columns).splitlines())) <= columns


def test_text() -> None:
    lines = WHY.text().splitlines()
    assert lines[:6] == [
        "api: sha256:0123",
        "",
        "largest layers",
        "    118 MB  RUN pip install package package package package package package pac…",
        "   74.8 MB  -",
        "",
    ]
    assert lines[7] == "   12.2 MB  tmp/model.bin (replaced or removed by a later layer)"
    assert lines[8].startswith("     900 B  folder0/")
    assert lines[8].endswith("/folder19/end.so")
    assert lines[-1].endswith("/folder19/")


def test_what_could_not_be_read_is_said() -> None:
    assert Why("api", "x", (), Inside((), (), whole=False)).text().splitlines() == [
        "api: x",
        "not all of the image could be read: there may be larger files",
    ]


def test_control_characters_in_names_do_not_reach_the_terminal() -> None:
    bad = Inside((File("a\x1b[31m\nb", 5),), (Folder("c\rd", 5),))
    assert "\x1b" not in Why("api", "x", (), bad).text()
    assert len(Why("api", "x", (), bad).text().splitlines()) == 7


def test_data_is_plain() -> None:
    data = json.loads(json.dumps(WHY.data()))
    assert data["layers"][1] == {"size": 74_800_000, "instruction": ""}
    assert data["inside"]["files"][0] == {"path": "tmp/model.bin", "size": 12_200_000, "hidden": True}
    assert data["inside"]["whole"] is True
