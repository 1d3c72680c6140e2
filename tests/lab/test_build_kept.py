"""Services that need not be built again: what is kept, under which tags, and what makes them built after all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from docker.errors import ImageNotFound

from shiptasks.build import manifest
from shiptasks.build.bake import BuildResult, build
from shiptasks.build.engine import client, preflight
from shiptasks.build.plan import plan
from shiptasks.build.prepare import Asked, prepare
from shiptasks.config.load import load
from shiptasks.run.events import Bus
from tests.lab.registry import Registry

pytestmark = pytest.mark.usefixtures("lab_images")

PLAIN = "FROM python:3.13-slim\nCOPY . /app\nRUN cat /app/file > /copy\n"
VERSIONED = PLAIN + "ARG VERSION\nENV VERSION=$VERSION\n"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    name = f"labkept-{secrets.token_hex(4)}"
    write(tmp_path, name)
    yield tmp_path
    with client() as api:
        for image in api.images.list():
            for tag in image.tags:
                if f"{name}-" in tag:
                    with suppress(ImageNotFound):
                        api.images.remove(tag, force=True)


def write(root: Path, name: str, registry: str = "") -> None:
    line = f'registry = "{registry}"\n' if registry else ""
    (root / "pyproject.toml").write_text(
        f'[tool.shiptasks]\nproject = "{name}"\n{line}services.api.context = "api"\nservices.web.context = "web"\n'
    )
    for service, dockerfile in (("api", VERSIONED), ("web", PLAIN)):
        (root / service).mkdir(exist_ok=True)
        (root / service / "Dockerfile").write_text(dockerfile)
        (root / service / "file").write_text(secrets.token_hex(8))
        (root / service / ".dockerignore").write_text("*.log\n")


def built(root: Path, version: str = "1.0.0", *, push: bool = False, skip: bool = True) -> BuildResult:
    project = load(root)
    made = prepare(project, Asked(version=version, push=push, environ={})).plan
    return build(project, made, preflight(root), Bus(), skip=skip)


def kept(result: BuildResult) -> dict[str, bool]:
    return {one.image.service: one.unchanged for one in result.built}


def test_only_what_has_changed_is_built_again(root: Path) -> None:
    first = built(root)
    assert kept(first) == {"api": False, "web": False}
    state = root / ".shiptasks"
    assert (state / "build.json").read_text() == (state / "builds" / "1.0.0.json").read_text()
    assert all(one.image.bases["python:3.13-slim"].startswith("sha256:") for one in first.built)
    assert kept(built(root)) == {"api": True, "web": True}
    (root / "web" / "some.log").write_text("ignored")
    assert kept(built(root)) == {"api": True, "web": True}
    (root / "web" / "file").write_text("another")
    again = built(root)
    assert kept(again) == {"api": True, "web": False}
    assert again.manifest.image("api") is not None
    assert kept(built(root, skip=False)) == {"api": False, "web": False}


def test_another_version_is_another_image_only_where_the_dockerfile_takes_it(root: Path) -> None:
    first = {one.image.service: one.image.image_id for one in built(root, "1.0.0").built}
    second = built(root, "1.1.0")
    assert kept(second) == {"api": False, "web": True}
    web = second.manifest.image("web")
    assert web is not None
    assert (web.tag, web.image_id) == ("1.1.0", first["web"])
    with client() as api:
        assert api.images.get(web.ref).id == first["web"]
    assert manifest.load(load(root), "1.1.0") == second.manifest


def test_an_image_that_is_gone_is_built_again(root: Path) -> None:
    first = built(root)
    web = first.manifest.image("web")
    assert web is not None
    with client() as api:
        api.images.remove(web.ref, force=True)
    assert kept(built(root)) == {"api": True, "web": False}


def test_in_a_registry_an_unchanged_image_gets_the_new_tag_and_keeps_its_digest(
    root: Path, lab_registry: Registry
) -> None:
    write(root, load(root).project, f"{lab_registry.loopback}/acme")
    first = built(root, "1.0.0", push=True)
    second = built(root, "1.1.0", push=True)
    assert kept(second) == {"api": False, "web": True}
    digests = [result.manifest.image("web") for result in (first, second)]
    assert all(digests)
    assert digests[0].digest == digests[1].digest  # type: ignore[union-attr]
    assert digests[1].ref.startswith(f"{lab_registry.loopback}/acme/")  # type: ignore[union-attr]


def test_what_was_built_without_knowing_its_inputs_is_not_kept(root: Path) -> None:
    built(root)
    (root / "web" / "Dockerfile").write_text("# syntax=example.com/other:1\n" + PLAIN)
    project = load(root)
    made = plan(project, "1.0.0", "")
    from shiptasks.build import kept as kept_

    found = kept_.inputs_of(project, made, preflight(root))
    assert found["web"].hash == ""
    assert "reads the Dockerfile in its own way" in found["web"].unclear
