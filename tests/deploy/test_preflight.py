"""What must be true of a host: each problem with its remedy, all of them at once, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from shiptasks.deploy.preflight import check, problems_of
from shiptasks.deploy.release import ReleaseImage
from shiptasks.errors import Refused
from tests.deploy.sample import bare, container, project, release, serving

PULLED = {"api": ReleaseImage("r/api:1@sha256:a"), "worker": ReleaseImage("r/worker:1@sha256:b")}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"engine": "", "engine_problem": "Cannot connect"},
            "no Docker engine answers (Cannot connect); install or start it",
        ),
        ({"engine": "", "engine_problem": ""}, "no Docker engine answers (docker is not installed)"),
        ({"engine": "23.0.6"}, "Docker Engine 23.0.6 is too old; 24 or later is needed"),
        ({"compose": ""}, "the engine has no Compose v2; install docker-compose-plugin"),
        ({"compose": "2.19.1"}, "Docker Compose 2.19.1 is too old; 2.20 or later is needed"),
        ({"writable": False}, "the folder of the releases cannot be written to"),
        ({"disk_free": 400_000_000}, "the disk is nearly full: 0.4 GB free, 1.0 GB needed (deploy.min-disk)"),
        (
            {"listening": frozenset({80})},
            "port 80 is taken by another program; stop that, or choose another: proxy.port",
        ),
        ({"listening": frozenset({80}), "port_owner": "nginx"}, "port 80 is taken by the container nginx"),
        (
            {"current": "r-1.0.0", "releases": (release("1.0.0", environment="staging"),)},
            "this folder holds the environment staging",
        ),
        (
            {"containers": (container("api", 1, environment="staging"),)},
            "shop runs here already, for the environment staging",
        ),
    ],
)
def test_problem(change: dict[str, Any], says: str) -> None:
    found = list(problems_of(project(), release("1.1.0", images=PULLED), bare(**change)))
    assert len(found) == 1
    assert found[0].startswith(says)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"engine": "24.0.0", "compose": "2.20.0"},
        {"engine": "26.1.5+dfsg1", "compose": "2.26.1-4"},
        {"listening": frozenset({80}), "port_owner": "shop-proxy-1"},
        {"listening": frozenset({8080})},
    ],
)
def test_no_problem(change: dict[str, Any]) -> None:
    assert not list(problems_of(project(), release("1.1.0", images=PULLED), bare(**change)))


def test_image_that_only_another_engine_has() -> None:
    found = list(problems_of(project(), release("1.1.0"), bare()))
    assert found[0] == (
        "the image of api is not in this engine any more, and 1.1.0 was not pushed; "
        "`inv build --version=1.1.0`, then deploy that"
    )
    there = frozenset({"sha256:api-1.1.0", "sha256:worker-1.1.0"})
    assert not list(problems_of(project(), release("1.1.0"), bare(images=there)))


def test_a_rollback_needs_no_room() -> None:
    full = bare(disk_free=0)
    assert not list(problems_of(project(), release("1.1.0", images=PULLED), full, needs_room=False))


def test_all_problems_of_all_hosts_at_once() -> None:
    states = (serving(address="one", compose=""), bare(address="two", disk_free=0, engine="20.10.5"))
    with pytest.raises(Refused) as caught:
        check(project(), release("1.1.0", images=PULLED), states)
    assert caught.value.exit_code == 3
    assert caught.value.where == "one, two"
    assert caught.value.now == "nothing was changed; 1.0.0 serves on"
    assert [text.partition(": ")[0] for text in caught.value.details] == ["one", "two", "two"]
