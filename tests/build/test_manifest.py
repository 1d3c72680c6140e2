from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.build import manifest
from shiptasks.build.manifest import BuiltImage, Manifest
from shiptasks.errors import UsageError
from tests.build.sample import make_project


def built(version: str, *services: str, revision: str = "a" * 40, created: str = "") -> Manifest:
    images = tuple(BuiltImage(name, f"shop-{name}", version, "sha256:" + "1" * 64, None, 5) for name in services)
    return Manifest("shop", version, revision, created or manifest.now(), images)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    made = built("1.0.0", "api", "web")
    path = manifest.save(project, made)
    assert path == tmp_path / ".shiptasks" / "builds" / "1.0.0.json"
    assert manifest.load(project, "1.0.0") == made
    assert [file.name for file in path.parent.iterdir()] == ["1.0.0.json"]


def test_latest_is_by_time_of_build_not_by_name(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    manifest.save(project, built("2.0.0", "api", created="2026-01-01T00:00:00.000Z"))
    manifest.save(project, built("1.0.0", "api", created="2026-01-01T00:00:00.001Z"))
    assert manifest.load(project, None).version == "1.0.0"


def test_nothing_built_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing has been built yet") as caught:
        manifest.load(make_project(tmp_path), None)
    assert caught.value.hint == "inv build --version=1.0.0"


def test_unknown_version_names_the_nearest_and_the_others(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    for version in ("1.0.0", "1.1.0", "nightly"):
        manifest.save(project, built(version, "api"))
    with pytest.raises(UsageError) as caught:
        manifest.load(project, "1.1.1")
    assert caught.value.what == "version 1.1.1 has not been built here"
    assert caught.value.hint == "inv build --version=1.1.1"
    assert caught.value.details == ("perhaps you meant 1.1.0", "versions built here: 1.1.0, 1.0.0, nightly")


@pytest.mark.parametrize("version", ["../../etc/passwd", "..", "a/b"])
def test_a_version_never_leaves_the_folder(tmp_path: Path, version: str) -> None:
    project = make_project(tmp_path)
    manifest.save(project, built("1.0.0", "api"))
    with pytest.raises(UsageError, match="has not been built here"):
        manifest.load(project, version)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 2}', '{"schema": 1, "images": 3}'])
def test_unreadable_manifest_is_named(tmp_path: Path, text: str) -> None:
    project = make_project(tmp_path)
    manifest.save(project, built("1.0.0", "api")).write_text(text)
    with pytest.raises(UsageError, match="cannot be read") as caught:
        manifest.load(project, "1.0.0")
    assert caught.value.where.endswith("1.0.0.json")


def test_building_one_service_keeps_the_others_of_the_same_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    manifest.save(project, built("1.0.0", "api", "web"))
    merged = manifest.merge(project, built("1.0.0", "api"))
    assert [image.service for image in merged.images] == ["api", "web"]


@pytest.mark.parametrize("revision", ["", "b" * 40])
def test_images_of_another_or_unknown_commit_are_not_mixed_in(tmp_path: Path, revision: str) -> None:
    project = make_project(tmp_path)
    manifest.save(project, built("1.0.0", "api", "web"))
    assert [i.service for i in manifest.merge(project, built("1.0.0", "api", revision=revision)).images] == ["api"]


def test_a_ref_names_the_digest_only_when_it_was_pushed() -> None:
    image = BuiltImage("api", "r.example/shop-api", "1.0.0", "sha256:1", "sha256:2", 5)
    assert image.ref == "r.example/shop-api:1.0.0@sha256:2"
    assert BuiltImage("api", "shop-api", "1.0.0", "sha256:1").ref == "shop-api:1.0.0"
