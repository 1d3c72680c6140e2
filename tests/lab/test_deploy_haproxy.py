"""HAProxy itself accepts every configuration that can be rendered."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiptasks.config.model import Project
from shiptasks.deploy import compose
from shiptasks.deploy.haproxy import render
from tests.lab.deploy_product import run

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,12}[a-z0-9]", fullmatch=True).filter(lambda name: name != "proxy")
PATHS = st.lists(
    st.text("abcXYZ019-._~!$&'()*+,;=:@%", min_size=1, max_size=8), min_size=0, max_size=3
).map(lambda parts: "/" + "/".join(parts))  # fmt: skip


@pytest.fixture(scope="module")
def haproxy(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A container of the image in which files of a folder can be checked."""
    del lab_images
    folder = tmp_path_factory.mktemp("haproxy")
    folder.chmod(0o755)  # the image's user is not root
    # Without a network a name that does not resolve is known not to at once.
    options = ("--network", "none", "-v", f"{folder}:/checked:ro", "--entrypoint", "sleep")
    started = run("docker", "run", "-d", "--rm", *options, "haproxy:3.0", "600")
    assert started.code == 0, started
    yield started.out.strip(), folder
    run("docker", "rm", "-f", started.out.strip())


@st.composite
def projects(draw: st.DrawFn) -> tuple[Project, dict[str, tuple[str, ...]]]:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    paths = draw(st.lists(PATHS, min_size=4, max_size=8, unique_by=lambda path: path.rstrip("/")))
    services: dict[str, Any] = {}
    serving: dict[str, tuple[str, ...]] = {}
    for name in names:
        replicas = draw(st.integers(1, 32))
        port = draw(st.integers(1, 65535).filter(lambda port: port not in (9999, 10080)))
        services[name] = {"port": port, "health": draw(PATHS), "replicas": replicas, "routes": [paths.pop()]}
        serving[name] = tuple(f"shop-{name}-{number}" for number in range(draw(st.integers(0, 2 * replicas))))
    return Project.model_validate({"project": "shop", "services": services}), serving


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(projects())
def test_every_configuration_is_accepted(
    haproxy: tuple[str, Path], given_: tuple[Project, dict[str, tuple[str, ...]]]
) -> None:
    container, folder = haproxy
    project, serving = given_
    config = {"services": {name: {"image": name, "networks": {"default": None}} for name in project.services}}
    text = render(project, compose.parse(config, "", project), serving)
    (folder / "haproxy.cfg").write_text(text)
    checked = subprocess.run(
        ["docker", "exec", container, "haproxy", "-c", "-q", "-f", "/checked/haproxy.cfg"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr + text
    assert "WARNING" not in checked.stderr
