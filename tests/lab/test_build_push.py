"""Pushes to a real registry: tags only when all images are there, and registries that break in the middle."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from shiptasks.build.bake import BuildResult, build
from shiptasks.build.engine import preflight
from shiptasks.build.plan import plan
from shiptasks.config.load import load
from shiptasks.errors import Failed
from shiptasks.run.events import Bus
from tests.lab.registry import MANIFEST_TYPES, Registry
from tests.lab.sshhost import Host

pytestmark = pytest.mark.usefixtures("lab_images")

DOCKERFILE = "FROM python:3.13-slim\nCOPY file /file\nRUN cat /file /file > /twice\n"


def write(root: Path, registry: str, *services: str) -> str:
    name = f"labpush-{secrets.token_hex(4)}"
    tables = "".join(f'[tool.shiptasks.services.{each}]\ncontext = "{each}"\n' for each in services)
    head = f'[tool.shiptasks]\nproject = "{name}"\nregistry = "{registry}/acme"\n'
    (root / "pyproject.toml").write_text(head + tables)
    for each in services:
        (root / each).mkdir()
        (root / each / "Dockerfile").write_text(DOCKERFILE)
        (root / each / "file").write_text(secrets.token_hex(2_000_000))
    return name


def pushed(root: Path, version: str = "1.0.0") -> BuildResult:
    project, engine = load(root), preflight(root)
    made = plan(project, version, "", push=True, registry_cache=False, by_digest=engine.by_digest)
    return build(project, made, engine, Bus())


def tags(registry: Registry, name: str) -> list[str]:
    url = f"http://{registry.loopback}/v2/acme/{name}/tags/list"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return list(json.load(answer)["tags"] or [])
    except urllib.error.HTTPError:
        return []


def digest(registry: Registry, name: str, tag: str) -> str:
    url = f"http://{registry.loopback}/v2/acme/{name}/manifests/{tag}"
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": MANIFEST_TYPES})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers["Docker-Content-Digest"])


def test_an_image_has_its_tag_under_the_digest_of_the_manifest_and_a_host_pulls_it(
    tmp_path: Path, lab_registry: Registry, lab_host: Host
) -> None:
    name = write(tmp_path, lab_registry.name, "api")
    (one,) = pushed(tmp_path).built
    assert one.image.digest == digest(lab_registry, f"{name}-api", "1.0.0")
    assert one.image.tags == (f"{lab_registry.name}/acme/{name}-api:1.0.0",)
    assert tags(lab_registry, f"{name}-api") == ["1.0.0"]
    lab_host.docker("pull", f"{one.image.name}@{one.image.digest}")


def test_one_image_that_does_not_build_leaves_no_tag_of_the_others(tmp_path: Path, lab_registry: Registry) -> None:
    name = write(tmp_path, lab_registry.name, "api", "web")
    (tmp_path / "web" / "Dockerfile").write_text("FROM python:3.13-slim\nRUN sleep 3; false\n")
    with pytest.raises(Failed, match="the image of web did not build"):
        pushed(tmp_path)
    assert tags(lab_registry, f"{name}-api") == []


@pytest.fixture
def cut(lab_registry: Registry) -> Iterator[str]:
    """The registry by way of a proxy that cuts each connection after half a megabyte."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def pipe(source: socket.socket, target: socket.socket, room: int) -> None:
        with contextlib.suppress(OSError):
            while room > 0 and (data := source.recv(65_536)):
                target.sendall(data[:room])
                room -= len(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            there = socket.create_connection((lab_registry.address, lab_registry.port))
            for source, target in ((client, there), (there, client)):
                threading.Thread(target=pipe, args=(source, target, 500_000), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    listener.close()


def test_a_registry_that_breaks_in_the_middle_of_a_push_fails_the_build(
    tmp_path: Path, cut: str, lab_registry: Registry
) -> None:
    name = write(tmp_path, cut, "api", "web")
    with pytest.raises(Failed) as caught:
        pushed(tmp_path)
    assert "could not be pushed" in caught.value.what
    assert tags(lab_registry, f"{name}-api") == tags(lab_registry, f"{name}-web") == []
    assert not (tmp_path / ".shiptasks" / "build.json").exists()
