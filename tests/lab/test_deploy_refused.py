"""What a deploy refuses: each with its exit code and a sentence that helps, and nothing has changed."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.deploy_product import COMPOSE, Ended, Observed, Product, free_port, made, run


@pytest.fixture(scope="module")
def product(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    del lab_images
    with made(tmp_path_factory.mktemp("refused"), "1.0.0", "1.1.0") as product:
        ended = product.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, ended
        yield product


@pytest.fixture(autouse=True)
def unchanged(product: Product) -> Iterator[Observed]:
    """Every test here ends as it began: the same containers, releases and history, the lock free."""
    before = product.assert_serves("1.0.0")
    yield before
    product.compose = COMPOSE
    product.configure(proxy="", port=str(product.port), deploy="", environment="", top="", api="", end="")
    assert product.assert_serves("1.0.0") == before


def refused(ended: Ended, code: int, *texts: str) -> None:
    assert ended.code == code, ended
    for text in texts:
        assert text in ended.text, ended
    assert "Traceback" not in ended.text


def test_port_of_another_program(product: Product) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        product.configure(port=str(port))
        refused(
            product.inv("deploy", "--version=1.1.0"),
            3,
            f"local: port {port} is taken by another program",
            "proxy.port",
            "nothing was changed; 1.0.0 serves on",
        )


def test_port_of_another_container(product: Product) -> None:
    port, name = free_port(), f"{product.project}x"
    try:
        started = run("docker", "run", "-d", "--name", name, "-p", f"{port}:80", "redis:7")
        assert started.code == 0, started
        product.configure(port=str(port))
        refused(product.inv("deploy", "--version=1.1.0"), 3, f"port {port} is taken by the container {name}")
    finally:
        run("docker", "rm", "-fv", name)


def test_disk_nearly_full(product: Product) -> None:
    text = (product.root / "pyproject.toml").read_text().replace('min-disk = "100MB"', 'min-disk = "900TB"')
    (product.root / "pyproject.toml").write_text(text)
    refused(
        product.inv("deploy", "--version=1.1.0"),
        3,
        "the disk is nearly full",
        "GB free, 900000.0 GB needed",
        "make room",
    )


def test_no_engine(product: Product, tmp_path: Path) -> None:
    refused(
        product.inv("deploy", "--version=1.1.0", DOCKER_HOST=f"unix://{tmp_path}/none.sock"),
        3,
        "no Docker engine answers",
        "install or start it",
    )


@pytest.fixture
def path_without(tmp_path: Path) -> str:
    """A PATH whose docker has no plugins, as Debian 12's own docker.io."""
    docker = shutil.which("docker")
    assert docker
    wrapper = tmp_path / "bin" / "docker"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/sh\n"
        "case $1 in compose|buildx) echo \"docker: '$1' is not a docker command.\" >&2; exit 1;; esac\n"
        f'exec {docker} "$@"\n'
    )
    wrapper.chmod(0o755)
    return f"{wrapper.parent}:{os.environ['PATH']}"


def test_no_compose_and_no_buildx(product: Product, path_without: str) -> None:
    ended = product.inv("deploy", "--version=1.1.0", PATH=path_without)
    refused(ended, ended.code, "Compose v2 is needed", "docker-compose-plugin")
    assert ended.code in (1, 3)
    ended = product.inv("build", "--version=1.2.0", PATH=path_without)
    refused(ended, ended.code, "buildx")
    assert ended.code in (1, 3)
    assert not (product.root / ".shiptasks" / "builds" / "1.2.0.json").exists()


def test_environment_file_that_is_not_there(product: Product) -> None:
    product.configure(environment='env-file = ".env.local"')
    refused(
        product.inv("deploy", "--version=1.1.0"), 2, "the environment file .env.local cannot be read", "nothing was run"
    )


def test_unknown_environment_and_version(product: Product) -> None:
    refused(product.inv("deploy", "--env=lokal"), 2, "lokal", "local")
    refused(product.inv("deploy", "--env="), 2, "no environment was given", "--env=local")
    refused(product.inv("deploy", "--version=1.1.9"), 2, "version 1.1.9 has not been built here", "1.1.0", "inv build")
    refused(product.inv("deploy", "--version=../1.1.0"), 2)
    refused(product.inv("deploy", "--format=yaml"), 2, "--format=yaml", "json")


@dataclass(frozen=True)
class Misfit:
    """A Compose file that does not fit, by what is replaced in the good one."""

    name: str
    old: str
    new: str
    says: tuple[str, ...]


MISFITS = (
    Misfit("ports", "image: api", 'image: api\n    ports: ["80:8000"]', ("services.api.ports: remove it",)),
    Misfit("name", "image: api", "image: api\n    container_name: api", ("services.api.container_name: remove it",)),
    Misfit("mode", "image: api", "image: api\n    network_mode: host", ("services.api.network_mode: remove it",)),
    Misfit("unknown", "  api:\n", "  apis:\n", ("services.api is configured but not", "did you mean apis?")),
    Misfit("proxy", "  redis:\n", "  proxy:\n", ("services.proxy: the name is taken",)),
    Misfit("bind", '"data:/data"', '"./data:/data"', ("services.redis.volumes", "does not travel")),
    Misfit("yaml", "services:", "services: [", ("compose.yaml cannot be used",)),
    Misfit("key", "image: api", "imgae: api", ("compose.yaml cannot be used", "imgae")),
    Misfit(
        "variable", "${GREETING:-}", "${GREETING:?set it}", ("compose.yaml:11: GREETING is not set", "add GREETING=")
    ),
)


@pytest.mark.parametrize("misfit", MISFITS, ids=lambda misfit: misfit.name)
def test_compose_file_that_does_not_fit(product: Product, misfit: Misfit) -> None:
    product.compose = COMPOSE.replace(misfit.old, misfit.new).replace(
        "depends_on: [redis]", "" if misfit.name == "proxy" else "depends_on: [redis]"
    )
    assert product.compose != COMPOSE
    product.configure()
    refused(product.inv("deploy", "--version=1.1.0"), 2, *misfit.says)


def test_no_compose_file(product: Product) -> None:
    (product.root / "compose.yaml").unlink()
    refused(product.inv("deploy", "--version=1.1.0"), 2, "there is no Compose file compose.yaml", "compose-file =")


def test_down_needs_a_yes_and_nobody_can_be_asked(product: Product) -> None:
    refused(product.inv("down"), 3, "standard input is not a terminal", "--yes")
    refused(product.inv("down", "--volumes"), 3, "with all its data")


def test_another_environment_in_the_same_folder(product: Product) -> None:
    product.configure(end=f'[tool.shiptasks.environments.other]\npath = "{product.host.base}"\n')
    refused(product.inv("deploy", "--env=other", "--version=1.1.0"), 3, "this folder holds the environment local")
