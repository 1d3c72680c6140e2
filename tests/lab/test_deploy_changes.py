"""What changes between deploys: proxies and containers that restart, routes, ports, replicas, stores, services."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.lab.deploy_product import COMPOSE, Product, free_port, made, run, under_load, until

WORKER = '[tool.shiptasks.services.worker]\ncontext = "app"'


@pytest.fixture(scope="module")
def made_product(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    del lab_images
    with made(tmp_path_factory.mktemp("changes"), "1.0.0", "1.1.0") as product:
        yield product


@pytest.fixture
def product(made_product: Product) -> Product:
    """The product with 1.0.0 deployed as it is first configured, but on the port that it has by now."""
    made_product.compose = COMPOSE
    made_product.configure(replicas="2", routes='["/"]', worker=WORKER, deploy="")
    ended = made_product.inv("deploy", "--version=1.0.0")
    assert ended.code == 0, str(ended)
    return made_product


def api(product: Product) -> dict[str, str]:
    """The id of each api container, short, by its name."""
    return {name: identity[:12] for identity, name, _, _ in product.observed().containers if "-api-" in name}


def address(product: Product, name: str) -> str:
    return product.host.docker(
        "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name
    ).strip()


def all_serve(product: Product) -> bool:
    with contextlib.suppress(OSError):
        return product.serving() == set(api(product).values())
    return False


def test_container_that_comes_back_at_another_address_is_followed(product: Product) -> None:
    assert all_serve(product)
    name = next(iter(api(product)))
    before = address(product, name)
    network = f"{product.project}_default"
    squatters = [f"{product.project}-squatter{number}" for number in range(8)]
    try:
        # It ends by itself, and while it is away others take its address.
        product.host.docker("stop", name)
        for squatter in squatters:
            run("docker", "run", "-d", "--name", squatter, "--network", network, "redis:7")
            if address(product, squatter) == before:
                break
        product.host.docker("start", name)
        assert address(product, name) != before
        until(lambda: all_serve(product), "the container does not get traffic again")
        with under_load(product):
            assert product.served(20) == {"1.0.0"}
    finally:
        run("docker", "rm", "-fv", *squatters)


def test_container_that_crashes_is_restarted_and_gets_traffic_again(product: Product) -> None:
    name = next(iter(api(product)))
    product.host.docker("exec", name, "sh", "-c", "kill -TERM 1")
    until(lambda: all_serve(product), "the container does not get traffic again")
    again = product.inv("deploy", "--version=1.0.0")
    assert again.code == 0, str(again)
    assert "nothing to do" in again.text
    with under_load(product):
        ended = product.inv("deploy", "--version=1.1.0")
        assert ended.code == 0, str(ended)
    product.assert_serves("1.1.0")


def test_proxy_that_restarts_comes_up_with_the_servers_of_now(product: Product) -> None:
    ended = product.inv("deploy", "--version=1.1.0")
    assert ended.code == 0, str(ended)
    product.host.docker("restart", f"{product.project}-proxy-1")
    until(lambda: all_serve(product), "the proxy does not come back")
    assert product.served() == {"1.1.0"}
    with under_load(product):
        ended = product.inv("rollback")
        assert ended.code == 0, str(ended)
    product.assert_serves("1.0.0")
    assert all_serve(product)


def test_routes_change_by_a_reload_that_loses_nothing(product: Product) -> None:
    proxy = f"{product.project}-proxy-1"
    started = product.host.docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", proxy)
    product.configure(routes='["/", "/health", "/more"]')
    with under_load(product):
        ended = product.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, str(ended)
    assert "reload the proxy: its routes changed" in ended.text
    assert product.host.docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", proxy) == started
    product.assert_serves("1.0.0")

    # The release before had other routes: they come back with it.
    with under_load(product):
        ended = product.inv("rollback")
        assert ended.code == 0, str(ended)
    assert "/more" not in product.host.sh(f"cat {product.host.base}/proxy/haproxy.cfg").out


def test_port_changes_by_another_proxy(product: Product) -> None:
    before, product.port = product.port, free_port()
    product.configure()
    ended = product.inv("deploy", "--version=1.0.0")
    assert ended.code == 0, str(ended)
    assert f"port {product.port}" in ended.text
    product.assert_serves("1.0.0")
    old, product.port = product.port, before
    with pytest.raises(OSError, match="refused"):
        product.served(1)
    product.port = old


def test_store_whose_definition_changes_is_replaced_and_keeps_its_data(product: Product) -> None:
    redis = f"{product.project}-redis-1"
    assert product.host.docker("exec", redis, "redis-cli", "set", "order", "42").strip() == "OK"
    identity = product.host.docker("inspect", "--format", "{{.Id}}", redis)
    product.compose = COMPOSE.replace('"--loglevel"', '"--maxmemory", "64mb", "--loglevel"')
    product.configure()
    ended = product.inv("deploy", "--version=1.0.0")
    assert ended.code == 0, str(ended)
    assert "replace redis (redis:7): its definition changed" in ended.text
    assert product.host.docker("inspect", "--format", "{{.Id}}", redis) != identity
    assert product.host.docker("exec", redis, "redis-cli", "get", "order").strip() == "42"
    assert product.host.docker("exec", redis, "redis-cli", "config", "get", "maxmemory").split()[1] == "67108864"
    product.assert_serves("1.0.0")


def test_replicas_up_and_down(product: Product) -> None:
    with under_load(product):
        for replicas in ("3", "1"):
            product.configure(replicas=replicas)
            ended = product.inv("deploy", "--version=1.0.0")
            assert ended.code == 0, str(ended)
            product.assert_serves("1.0.0", replicas=int(replicas))


def test_service_that_is_gone_is_stopped_and_removed(product: Product) -> None:
    head, _, tail = COMPOSE.partition("  worker:\n")
    product.compose = head + tail[tail.index("volumes:\n") :]
    product.configure(worker="", replicas="1")
    ended = product.inv("deploy", "--version=1.0.0")
    assert ended.code == 0, str(ended)
    product.assert_serves("1.0.0", replicas=1)
    assert product.observed().running("worker") == []

    # The release before had a worker: it comes back with it.
    product.configure(worker=WORKER)
    ended = product.inv("rollback")
    assert ended.code == 0, str(ended)
    product.assert_serves("1.0.0")


def test_old_releases_are_removed_but_never_the_way_back(product: Product) -> None:
    product.configure(deploy="keep = 2", replicas="1")
    for version in ("1.1.0", "1.0.0", "1.1.0"):
        ended = product.inv("deploy", f"--version={version}")
        assert ended.code == 0, str(ended)
        assert len(product.observed().releases) <= 2
    seen = product.assert_serves("1.1.0", replicas=1)
    assert sorted(release.partition("-")[2] for release in seen.releases) == ["1.0.0", "1.1.0"]
    ended = product.inv("rollback")
    assert ended.code == 0, str(ended)
    product.assert_serves("1.0.0", replicas=1)
