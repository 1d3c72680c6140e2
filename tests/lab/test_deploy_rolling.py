"""Deploys that go well: the first one, the same again, the next version under load, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deploy_product import Product, made, under_load, until


@pytest.fixture(scope="module")
def product(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    del lab_images
    with made(tmp_path_factory.mktemp("rolling"), "1.0.0", "1.1.0") as product:
        yield product


@pytest.fixture
def at_1_0(product: Product) -> Product:
    """The product with 1.0.0 deployed."""
    ended = product.inv("deploy", "--version=1.0.0")
    assert ended.code == 0, ended
    return product


def test_first_deploy_and_the_same_again(product: Product) -> None:
    planned = product.inv("deploy", "--version=1.0.0", "--plan")
    assert planned.code == 0, planned
    assert "create redis (redis:7)" in planned.out
    assert not product.observed().containers
    assert not Path(product.host.base).exists()

    refused = product.inv("rollback")
    assert refused.code == 3, refused
    assert "there is no release to go back to" in refused.text
    assert "nothing is deployed here" in refused.text
    assert not product.observed().containers

    first = product.inv("deploy", "--version=1.0.0")
    assert first.code == 0, first
    assert "1.0.0 serves on local" in first.out
    seen = product.assert_serves("1.0.0")
    assert seen.history == ("deploy 1.0.0",)

    again = product.inv("deploy", "--version=1.0.0")
    assert again.code == 0, again
    assert "1.0.0 runs already on local: nothing to do" in again.out
    assert product.observed() == seen

    refused = product.inv("rollback")
    assert refused.code == 3, refused
    assert "there is no release to go back to" in refused.text
    assert "1.0.0 is the first release here" in refused.text
    assert product.observed() == seen


def test_rolling_deploy_and_rollback_lose_no_request(at_1_0: Product) -> None:
    product = at_1_0
    with under_load(product):
        ended = product.inv("deploy", "--version=1.1.0")
        assert ended.code == 0, ended
    product.assert_serves("1.1.0")

    unknown = product.inv("rollback", "--version=1.0.9")
    assert unknown.code == 2, unknown
    assert "there is no release 1.0.9 on the host" in unknown.text
    assert "1.1.0, 1.0.0" in unknown.text
    product.assert_serves("1.1.0")

    with under_load(product):
        ended = product.inv("rollback")
        assert ended.code == 0, ended
    seen = product.assert_serves("1.0.0")
    assert seen.history[-2:] == ("deploy 1.1.0", "rollback 1.0.0")

    # What was rolled back from is not the way back; by its version it can still be gone to.
    refused = product.inv("rollback")
    assert refused.code == 3, refused
    forward = product.inv("rollback", "--version=1.1.0")
    assert forward.code == 0, forward
    product.assert_serves("1.1.0")


def test_a_request_in_flight_is_finished_before_its_container_stops(at_1_0: Product) -> None:
    product = at_1_0
    import threading
    import urllib.request

    answers: list[int] = []

    def ask() -> None:
        with urllib.request.urlopen(f"{product.url}/slow?seconds=6", timeout=20) as answer:
            answers.append(answer.status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    ended = product.inv("deploy", "--version=1.1.0")
    for thread in threads:
        thread.join()
    assert ended.code == 0, ended
    assert answers == [200] * 4
    product.assert_serves("1.1.0")


def test_what_was_lost_is_made_whole_by_the_same_deploy(at_1_0: Product) -> None:
    product = at_1_0
    name = next(name for name in product.observed().names if "-api-" in name)
    product.host.docker("rm", "-f", name)
    until(lambda: product.observed().running("api") == ["1.0.0"], "the container is still there")
    with under_load(product):
        ended = product.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, ended
    product.assert_serves("1.0.0")
