"""Versions that do not work: each is taken back, and the old one serves on as if nothing had been."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab.deploy_product import Product, made, under_load


@pytest.fixture(scope="module")
def product(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    del lab_images
    migrate = 'migrate = ["python", "-u", "/app.py", "migrate"]'
    with made(tmp_path_factory.mktemp("broken"), "1.0.0", api=migrate) as product:
        ended = product.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, ended
        yield product


@dataclass(frozen=True)
class Broken:
    """A way in which a version is broken, and what has to be said of it."""

    name: str
    behaviour: dict[str, object]
    says: tuple[str, ...]
    seconds: float = 10
    loses: int = 0
    """Requests that may fail: it breaks when it has all the traffic, so that what comes until it is told is lost."""


BROKEN = (
    Broken(
        "crashes at start",
        {"start": "crashes"},
        ("deploy of 2.0.0 failed: ", "-api-", "and was restarted", "config error: DATABASE_URL is not a URL"),
    ),
    Broken("never healthy", {"ready": False}, ("is unhealthy", "health probe:", "503", "last log lines of")),
    Broken(
        "crashes while it is watched",
        {"crash_after": 1.6},
        ("-api-", "was restarted", "out of cheese"),
        seconds=20,
        loses=2000,
    ),
    Broken("sick while it is watched", {"sick_after": 2.5}, ("is unhealthy",), seconds=25, loses=2000),
    Broken(
        "its migration fails",
        {"migrate": "fails"},
        ("the migration of api failed: python -u /app.py migrate", "column users.name exists already"),
    ),
    Broken(
        "serves another version",
        {"version": "1.0.0-stale"},
        ("verification failed", "serves version 1.0.0-stale, deployed is 2.0.0"),
        seconds=45,
    ),
    Broken("its worker crashes", {"worker": "crashes"}, ("-worker-", "worker: no such queue"), seconds=15),
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
def test_broken_version_is_taken_back(product: Product, broken: Broken) -> None:
    before = product.assert_serves("1.0.0")
    product.configure(stabilise="6s" if "watched" in broken.name else "500ms")
    product.build("2.0.0", **broken.behaviour)
    with under_load(product, may_fail=broken.loses):
        ended = product.inv("deploy", "--version=2.0.0")
    assert ended.code == 4, ended
    for text in (*broken.says, "taken back; 1.0.0 serves on"):
        assert text in ended.text, ended
    assert ended.seconds < broken.seconds
    assert product.observed() == before
    assert product.journal_end() == "taken-back"
    product.assert_serves("1.0.0")


def test_first_deploy_that_fails_leaves_nothing_but_its_store(
    product: Product, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with made(tmp_path_factory.mktemp("first")) as other:
        other.build("0.1.0", start="crashes")
        ended = other.inv("deploy")
        assert ended.code == 4, ended
        assert "taken back; nothing was deployed before" in ended.text
        seen = other.observed()
        assert [name.split("-")[1] for name in seen.names] == ["redis"]
        assert (seen.current, seen.releases, seen.history) == ("", frozenset(), ())
        assert other.lock_is_free()
        other.build("0.1.1")
        ended = other.inv("deploy")
        assert ended.code == 0, ended
        other.assert_serves("0.1.1")


def test_new_containers_serve_on_where_the_old_ones_do_not_come_back(
    product: Product, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with made(tmp_path_factory.mktemp("stuck")) as other:
        other.build("1.0.0", starts="once")
        other.build("1.1.0", worker="crashes")
        ended = other.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, ended
        with under_load(other):
            ended = other.inv("deploy", "--version=1.1.0")
        assert ended.code == 5, ended
        assert "the previous state could NOT be restored everywhere" in ended.text
        assert "-api-2 again, wait until healthy: " in ended.text.partition("not restored:")[2]
        seen = other.observed()
        assert other.served() == {"1.1.0"}
        assert seen.running("api") == ["1.1.0", "1.1.0"]
        assert other.journal_end() == "not-restored"
        assert other.lock_is_free()

        other.build("1.2.0")
        with under_load(other):
            ended = other.inv("deploy", "--version=1.2.0")
        assert ended.code == 0, ended
        other.assert_serves("1.2.0")
