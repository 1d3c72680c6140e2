"""Compressed sizes from a registry's manifests, in every form that they have, and in none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shiptasks.build.pullsize import images_of, of_manifests


def image(*layers: Any, config: Any = 7) -> dict[str, Any]:
    return {"layers": [{"size": size} for size in layers], "config": {"size": config}}


def entry(digest: str, os: str, architecture: str, variant: str = "") -> dict[str, Any]:
    platform = {"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}
    return {"digest": digest, "platform": platform}


INDEX = {
    "manifests": [
        entry("amd", "linux", "amd64"),
        entry("arm", "linux", "arm", "v7"),
        entry("proof", "unknown", "unknown"),
    ]
}
STORE: dict[str, object] = {"index": INDEX, "amd": image(100, 20), "arm": image(300), "proof": image(9_000), "bad": []}


def get(digest: str) -> bytes | None:
    return json.dumps(STORE[digest]).encode() if digest in STORE else None


@pytest.mark.parametrize(
    ("digest", "platform", "size"),
    [
        ("amd", "", 127),
        ("index", "linux/amd64", 127),
        ("index", "linux/arm/v7", 307),
        ("index", "", 307),
        ("index", "windows/amd64", 307),
        ("bad", "", None),
        ("missing", "", None),
    ],
)
def test_size(digest: str, platform: str, size: int | None) -> None:
    assert of_manifests(get, digest, platform) == size


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"layers": []},
        {"layers": None, "config": {"size": 1}},
        {"layers": ["x"], "config": {"size": 1}},
        image("5"),
        image(-5),
        image(True),
        image(1.5),
        {"manifests": None},
        {"manifests": ["x", {}, {"digest": 5}]},
        {"manifests": [{"digest": "missing", "platform": "linux"}]},
    ],
)
def test_what_is_not_understood_is_unknown(manifest: dict[str, Any]) -> None:
    assert of_manifests(lambda digest: json.dumps(manifest).encode() if digest == "x" else None, "x") is None


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"null"])
def test_what_is_no_manifest_is_unknown(data: bytes) -> None:
    assert of_manifests(lambda _: data, "x") is None


def test_attestations_are_no_images() -> None:
    assert images_of(INDEX) == ("amd", "arm")
