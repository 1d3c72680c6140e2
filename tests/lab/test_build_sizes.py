"""Sizes of real images, as the engine and the registry have them, and what is inside; the policy on real builds."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shiptasks.build import manifest
from shiptasks.build.engine import client
from shiptasks.build.inside import File, Folder
from shiptasks.build.layers import layers, unpacked
from shiptasks.build.manifest import BuiltImage, Manifest
from shiptasks.build.pullsize import compressed
from shiptasks.build.registry import registry_of
from shiptasks.build.why import why
from shiptasks.config.load import load
from shiptasks.errors import Failed
from tests.lab.proc import run
from tests.lab.registry import Registry

pytestmark = pytest.mark.usefixtures("lab_images")

MB = 1_000_000
DOCKERFILE = """\
FROM python:3.13-slim
ARG VERSION
RUN mkdir -p /data/sets && head -c 30000000 /dev/urandom > /data/sets/kept && echo {salt}
RUN head -c 20000000 /dev/urandom > /removed
RUN rm /removed && head -c 5000000 /dev/urandom > /data/sets/small
COPY file /app/file
USER 10001
"""
PYPROJECT = """\
[tool.shiptasks]
project = "{name}"
[tool.shiptasks.services.api]
context = "."
budget = "50MB"
"""


@dataclass(frozen=True)
class Product:
    """A repository with one built image."""

    root: Path
    name: str
    tag: str
    image_id: str


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, lab_images: dict[str, str]) -> Iterator[Product]:
    """An image that nobody has built before, and the manifest of its build; it is removed afterwards."""
    root = tmp_path_factory.mktemp("sizes")
    name = f"labsizes-{secrets.token_hex(4)}"
    (root / "pyproject.toml").write_text(PYPROJECT.format(name=name))
    (root / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    (root / "Dockerfile").write_text(DOCKERFILE.format(salt=name))
    (root / "file").write_bytes(os.urandom(3 * MB))
    tag = f"{name}-api:1.0.0"
    run(["docker", "buildx", "build", "--load", "--build-arg=VERSION=1.0.0", f"--tag={tag}", str(root)])
    image_id = run(["docker", "image", "inspect", "--format={{.Id}}", tag]).stdout.strip()
    image = BuiltImage("api", f"{name}-api", "1.0.0", image_id, size=180 * MB)
    manifest.save(load(root), Manifest(name, "1.0.0", "", manifest.now(), (image,)))
    yield Product(root, name, tag, image_id)
    run(["docker", "image", "rm", "--force", tag])


def test_layers_are_those_of_the_dockerfile(product: Product) -> None:
    with client() as api:
        found = layers(api, product.tag)
        listed = next(one["Size"] for one in api.api.images(name=product.tag))
    assert [layer.instruction for layer in found[-4:]] == [
        f"RUN mkdir -p /data/sets && head -c 30000000 /dev/urandom > /data/sets/kept && echo {product.name}",
        "RUN head -c 20000000 /dev/urandom > /removed",
        "RUN rm /removed && head -c 5000000 /dev/urandom > /data/sets/small",
        "COPY file /app/file",
    ]
    sizes = [layer.size for layer in found[-4:]]
    assert sizes == [pytest.approx(wanted, rel=0.02) for wanted in (30 * MB, 20 * MB, 5 * MB, 3 * MB)]
    assert sum(layer.size for layer in found) <= listed


def test_why_tells_the_largest_layers_files_and_folders(product: Product) -> None:
    with client() as api:
        found = why(api, "api", product.image_id)
    assert found.layers[0].size > found.layers[1].size
    assert found.inside.whole
    shown = {file.path: file for file in found.inside.files}
    assert shown["data/sets/kept"] == File("data/sets/kept", 30 * MB)
    assert shown["removed"] == File("removed", 20 * MB, hidden=True)
    assert shown["app/file"] == File("app/file", 3 * MB)
    assert Folder("data/sets", 35 * MB) in found.inside.folders
    visible = [file for file in found.inside.files if not file.hidden]
    names = [f"/{file.path}" for file in visible]
    said = run(["docker", "run", "--rm", "--network=none", product.tag, "stat", "-c", "%s", *names]).stdout.split()
    assert [int(size) for size in said] == [file.size for file in visible], "as the container itself sees them"


def test_the_command_fits_into_80_columns(product: Product) -> None:
    done = inv(product.root, "build.sizes", "--why=api")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert "   20.0 MB  removed (replaced or removed by a later layer)" in lines
    document = json.loads(inv(product.root, "build.sizes", "--why=api", "--format=json").stdout)
    assert document["result"]["inside"]["files"][0]["size"] == 30 * MB


def test_the_command_holds_the_budget(product: Product) -> None:
    done = inv(product.root, "build.sizes")
    assert done.returncode == 1
    assert "180 MB, budget 50.0 MB: 130 MB too much" in done.stdout + done.stderr


def test_an_image_that_is_gone_is_said(product: Product) -> None:
    with client() as api, pytest.raises(Failed, match="its content cannot be looked into") as caught:
        why(api, "api", f"sha256:{'0' * 64}")
    assert caught.value.where == f"sha256:{'0' * 64}"


def test_the_compressed_size_is_what_the_registry_has(product: Product, lab_registry: Registry) -> None:
    name = f"{lab_registry.loopback}/acme/{product.name}"
    run(["docker", "tag", product.tag, f"{name}:1.0.0"])
    try:
        run(["docker", "push", "--quiet", f"{name}:1.0.0"])
        with client() as api:
            registry = registry_of(name, api)
            size = compressed(registry, "1.0.0")
            assert compressed(registry, f"sha256:{'0' * 64}") is None
            whole = unpacked(api, product.tag)
    finally:
        run(["docker", "image", "rm", f"{name}:1.0.0"])
    assert size is not None
    assert 58 * MB < size < whole, "random bytes do not shrink, the base image does"


def test_what_the_policy_stops_is_not_built(tmp_path: Path, lab_images: dict[str, str]) -> None:
    name = f"labpolicy-{secrets.token_hex(4)}"
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format(name=name))
    (tmp_path / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    (tmp_path / "Dockerfile").write_text("FROM python:3.13-slim\nUSER root\nHEALTHCHECK CMD true\n")
    done = inv(tmp_path, "build", "--version=1.0.0", "--set=build.policy.fail=high")
    assert done.returncode == 1
    assert "the policy of Dockerfiles stops the build: the container runs as root" in done.stdout
    assert "Dockerfile:2  high  policy D6-user" in done.stdout
    assert run(["docker", "image", "ls", "--quiet", f"{name}-api"]).stdout == ""
    assert not (tmp_path / ".shiptasks" / "builds").exists()


def inv(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
        timeout=120,
    )
