"""From what is wanted and what is true to the steps between, as a table."""

from __future__ import annotations

import dataclasses

import pytest

from shiptasks.config.model import Project
from shiptasks.deploy.haproxy import render
from tests.deploy.sample import (
    bare,
    container,
    cut,
    entry,
    model,
    planned,
    project,
    release,
    serving,
    steps,
    with_containers,
)

ROLL = [
    "rollout: + start shop-api-3 (1.1.0), wait until healthy",
    "rollout: ~ route api to shop-api-3",
    "rollout: ~ drain shop-api-1",
    "rollout: - stop shop-api-1",
    "rollout: + start shop-api-4 (1.1.0), wait until healthy",
    "rollout: ~ route api to shop-api-4",
    "rollout: ~ drain shop-api-2",
    "rollout: - stop shop-api-2",
    "rollout: + start shop-worker-2 (1.1.0), wait until healthy",
    "rollout: - stop shop-worker-1",
]
END = [
    "stabilise: . watch 3 new containers for 2 s",
    "mark current: ~ current -> releases/r-1.1.0",
]


def only(lines: list[str], *stages: str) -> list[str]:
    return [line for line in lines if line.partition(":")[0] in stages]


def test_first_deploy() -> None:
    assert steps(planned(bare(), "1.0.0")) == [
        "stage files: + put 1 files into releases/r-1.0.0",
        "stores: + create redis (redis:7)",
        "proxy: + create the proxy (haproxy:3.0) on port 80",
        "rollout: + start shop-api-1, shop-api-2 (1.0.0), wait until healthy",
        "rollout: ~ route api to shop-api-1, shop-api-2",
        "rollout: + start shop-worker-1 (1.0.0), wait until healthy",
        "stabilise: . watch 3 new containers for 2 s",
        "mark current: ~ current -> releases/r-1.0.0",
    ]


def test_images_that_are_not_there_are_pulled() -> None:
    state = bare(images=frozenset())
    assert only(steps(planned(state, "1.0.0")), "pull") == ["pull: + pull redis:7, haproxy:3.0"]


def test_rolling() -> None:
    one = planned(serving(), "1.1.0")
    assert steps(one) == [
        "stage files: + put 1 files into releases/r-1.1.0",
        *ROLL,
        *END,
        "clean up: - remove containers shop-api-1, shop-api-2, shop-worker-1",
    ]
    assert one.previous_version == "1.0.0"
    assert next(one.lines()) == "deploy shop 1.0.0 -> 1.1.0 to local, rolling, 1 host"
    assert "hunter22" not in "\n".join((*one.lines(), repr(one), str(one.to_json())))


def test_nothing_to_do() -> None:
    one = planned(serving(), "1.0.0", files=False)
    assert one.nothing_to_do
    assert list(one.lines()) == ["1.0.0 runs already on local: nothing to do"]
    assert one.to_json()["nothing_to_do"] is True


def test_two_at_a_time() -> None:
    shop = project(deploy={"batch": 2})
    assert only(steps(planned(serving(of=shop), "1.1.0", of=shop)), "rollout")[:4] == [
        "rollout: + start shop-api-3, shop-api-4 (1.1.0), wait until healthy",
        "rollout: ~ route api to shop-api-3, shop-api-4",
        "rollout: ~ drain shop-api-1, shop-api-2",
        "rollout: - stop shop-api-1, shop-api-2",
    ]


def stop_first() -> Project:
    services = {
        "api": {"port": 8000, "health": "/health", "routes": ["/api"], "replicas": 2},
        "worker": {"stop-first": True},
    }
    return project(services=services)


@pytest.mark.parametrize("why", ["setting", "volume"])
def test_what_must_not_run_twice_stops_first(why: str) -> None:
    shop = stop_first() if why == "setting" else project()
    mount = {"type": "volume", "source": "files", "target": "/files"}
    stands = model(shop, **({} if why == "setting" else {"worker": {"image": "worker", "volumes": [mount]}}))
    lines = only(steps(planned(serving(), "1.1.0", of=shop, stands=stands)), "rollout")
    assert lines[-2:] == [
        "rollout: - stop shop-worker-1",
        "rollout: + start shop-worker-2 (1.1.0), wait until healthy",
    ]


def test_migration_runs_once_before_traffic_and_not_in_a_rollback() -> None:
    settings = {"port": 8000, "health": "/health", "routes": ["/api"], "replicas": 2, "migrate": ["alembic", "upgrade"]}
    shop = project(services={"api": settings, "worker": {}})
    lines = steps(planned(serving(of=shop), "1.1.0", of=shop))
    assert lines[1] == "migrate: ~ run alembic upgrade in the new api"
    assert not only(steps(planned(serving(of=shop), "0.9.0", kind="rollback", of=shop)), "migrate")


def test_leftovers_of_a_deploy_that_was_cut_off_are_replaced_and_removed() -> None:
    state = with_containers(
        serving(unfinished=cut("1.1.0"), partial=("r-1.0.9",)),
        container("api", 3, "1.0.9"),
        container("api", 4, "1.0.9", status="created", health="none"),
    )
    one = planned(state, "1.1.0")
    lines = steps(one)
    assert "  ! local: the deploy of 1.1.0 by ada@laptop was cut off in: start shop-api-3" in list(one.lines())
    assert only(lines, "rollout")[:8] == [
        "rollout: + start shop-api-5 (1.1.0), wait until healthy",
        "rollout: ~ route api to shop-api-5",
        "rollout: ~ drain shop-api-1",
        "rollout: - stop shop-api-1",
        "rollout: + start shop-api-6 (1.1.0), wait until healthy",
        "rollout: ~ route api to shop-api-6",
        "rollout: ~ drain shop-api-2, shop-api-3",
        "rollout: - stop shop-api-2, shop-api-3",
    ]
    removed = only(lines, "clean up")[0]
    for name in ("shop-api-1", "shop-api-2", "shop-api-3", "shop-api-4", "shop-worker-1", "r-1.0.9"):
        assert name in removed


def test_way_back_after_a_cut_keeps_what_is_well() -> None:
    state = with_containers(
        serving(unfinished=cut("1.1.0", "drain shop-api-1")),
        container("api", 1, "1.0.0", status="exited", health="none"),
        container("api", 3, "1.1.0"),
    )
    assert only(steps(planned(state, "1.0.0", kind="rollback")), "rollout", "mark current", "clean up") == [
        "rollout: ~ route api to shop-api-2",
        "rollout: + start shop-api-4 (1.0.0), wait until healthy",
        "rollout: ~ route api to shop-api-4",
        "rollout: ~ drain shop-api-3",
        "rollout: - stop shop-api-3",
        "clean up: - remove containers shop-api-1, shop-api-3",
    ]


def test_rollback() -> None:
    state = serving("1.1.0", releases=(release("1.0.0"), release("1.1.0")), history=(entry("1.0.0"), entry("1.1.0")))
    one = planned(state, "1.0.0", kind="rollback")
    lines = steps(one)
    assert not only(lines, "stage files", "pull", "stores", "proxy")
    assert lines[0] == "rollout: + start shop-api-3 (1.0.0), wait until healthy"
    assert "mark current: ~ current -> releases/r-1.0.0" in lines
    assert next(one.lines()) == "rollback shop 1.1.0 -> 1.0.0 to local, rolling, 1 host"


def test_service_that_is_gone_is_stopped_and_removed() -> None:
    state = with_containers(
        serving(), container("mailer", 1, "1.0.0"), container("mailer", 2, "1.0.0", status="exited")
    )
    lines = steps(planned(state, "1.1.0"))
    assert "rollout: - stop shop-mailer-1" in lines
    assert "shop-mailer-1, shop-mailer-2" in lines[-1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"definition": "another"}, "stores: -/+ replace redis (redis:7): its definition changed"),
        ({"status": "exited", "exit_code": 137}, "stores: + start redis (redis:7)"),
        (None, "stores: + create redis (redis:7)"),
        ({}, ""),
    ],
    ids=["changed", "stopped", "missing", "well"],
)
def test_stores(change: dict[str, object] | None, says: str) -> None:
    state = serving()
    if change is None:
        state = with_containers(state, without=("shop-redis-1",))
    else:
        redis = next(one for one in state.containers if one.service == "redis")
        state = with_containers(state, dataclasses.replace(redis, **change))  # type: ignore[arg-type]
    found = only(steps(planned(state, "1.0.0", files=False)), "stores")
    assert "".join(found).startswith(says)
    assert bool(found) == bool(says)


@pytest.mark.parametrize(
    ("shop", "change", "says"),
    [
        (
            project(proxy={"port": 81}),
            {},
            "proxy: -/+ replace the proxy (haproxy:3.0, port 81): its definition changed",
        ),
        (project(), {"status": "exited"}, "proxy: + start the proxy (haproxy:3.0) on port 80"),
        (project(), None, "proxy: + create the proxy (haproxy:3.0) on port 80"),
    ],
    ids=["changed", "stopped", "missing"],
)
def test_proxy(shop: Project, change: dict[str, object] | None, says: str) -> None:
    state = serving()
    if change is None:
        state = with_containers(state, without=("shop-proxy-1",))
    else:
        proxy = next(one for one in state.containers if one.service == "proxy")
        state = with_containers(state, dataclasses.replace(proxy, **change))  # type: ignore[arg-type]
    assert "".join(only(steps(planned(state, "1.1.0", of=shop)), "proxy")).startswith(says)


def test_other_routes_reload_the_proxy_and_other_containers_do_not() -> None:
    services = {"api": {"port": 8000, "health": "/health", "routes": ["/api", "/more"], "replicas": 2}, "worker": {}}
    shop = project(services=services)
    assert only(steps(planned(serving(), "1.1.0", of=shop)), "proxy") == [
        "proxy: ~ reload the proxy: its routes changed"
    ]
    state = serving(proxy_config=render(project(), model(), {"api": ("shop-api-7",)}))
    assert not only(steps(planned(state, "1.1.0")), "proxy")


def test_replicas_go_up_and_down() -> None:
    up = planned(serving(), "1.0.0", replicas={"api": 3, "worker": 1}, files=False)
    assert only(steps(up), "rollout") == [
        "rollout: ~ route api to shop-api-1, shop-api-2",
        "rollout: + start shop-api-3 (1.0.0), wait until healthy",
        "rollout: ~ route api to shop-api-3",
    ]
    down = planned(serving(), "1.1.0", replicas={"api": 1, "worker": 1})
    assert only(steps(down), "rollout")[:4] == [
        "rollout: + start shop-api-3 (1.1.0), wait until healthy",
        "rollout: ~ route api to shop-api-3",
        "rollout: ~ drain shop-api-1, shop-api-2",
        "rollout: - stop shop-api-1, shop-api-2",
    ]


def test_prune_keeps_the_newest_and_the_way_back() -> None:
    versions = [f"0.{number}.0" for number in range(5)]
    shop = project(deploy={"keep": 2})
    state = serving(
        "0.4.0",
        of=shop,
        releases=tuple(release(version) for version in versions),
        history=tuple(entry(version) for version in versions),
    )
    removed = steps(planned(state, "1.1.0", of=shop))[-1]
    assert "releases r-0.0.0, r-0.1.0, r-0.2.0, r-0.3.0" in removed
    assert "0.4.0" not in removed
    assert "releases" not in steps(planned(state, "0.3.0", kind="rollback", of=shop))[-1]


def test_compose_services_that_nobody_configured_are_stores() -> None:
    assert [store.name for store in model().stores] == ["redis"]
    assert [app.name for app in model().apps] == ["api", "worker"]
