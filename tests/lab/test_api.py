"""A deploy by the Python API: planned, applied, and refused when the hosts have changed in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import shiptasks
from shiptasks.api import deploy
from shiptasks.errors import Refused
from tests.lab.deploy_product import Product, made


@pytest.fixture(scope="module")
def product(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    del lab_images
    with made(tmp_path_factory.mktemp("api"), "1.0.0", "1.1.0") as product:
        yield product


def test_planned_applied_and_refused_when_the_hosts_have_changed(product: Product) -> None:
    project = shiptasks.load(product.root, "local")
    first = deploy.plan(project, "1.0.0")
    assert not first.nothing_to_do
    assert not product.observed().version
    deploy.apply(first)
    product.assert_serves("1.0.0")
    second = deploy.plan(project, "1.1.0")
    with pytest.raises(Refused, match="the hosts are not as they were when this deploy was planned"):
        deploy.apply(first)
    deploy.apply(second)
    product.assert_serves("1.1.0")
    back = deploy.plan(project, rollback=True)
    assert back.release.version == "1.0.0"
    deploy.apply(back)
    product.assert_serves("1.0.0")
    assert [state.release.version for state in deploy.status(project).states if state.release] == ["1.0.0"]
