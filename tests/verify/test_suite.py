from __future__ import annotations

from typing import Any

import pytest

from shiptasks.verify import plan
from shiptasks.verify.containers import OtherServices, Replicas, Store
from shiptasks.verify.endpoints import Endpoint, NotReachable, SameVersion
from shiptasks.verify.suite import owner
from tests.verify.sample import expected, make_project

API = {"context": "api", "port": 8000, "health": "/health", "routes": ["/api", "/health"]}
WEB = {"context": "web", "port": 80, "health": "/healthz", "routes": ["/"]}


def urls(project: Any, hosts: list[str]) -> list[str]:
    checks = plan(project, {host: expected() for host in hosts})
    return [check.url for check in checks if isinstance(check, Endpoint)]


def test_every_deployed_service_is_looked_at_on_every_host() -> None:
    checks = plan(make_project(), {"a": expected(stores=("db",)), "b": expected(stores=None)})
    assert [(check.group, check.target, check.host) for check in checks] == [
        ("containers", "api replicas", "a"),
        ("containers", "api health", "a"),
        ("containers", "api restarts", "a"),
        ("containers", "api image", "a"),
        ("containers", "db runs", "a"),
        ("containers", "api replicas", "b"),
        ("containers", "api health", "b"),
        ("containers", "api restarts", "b"),
        ("containers", "api image", "b"),
        ("containers", "other services", "b"),
        ("proxy", "proxy runs", "a"),
        ("proxy", "proxy runs", "b"),
        ("endpoints", "one version", ""),
        ("endpoints", "api GET http://a/health", "a"),
        ("endpoints", "api GET http://b/health", "b"),
    ]


@pytest.mark.parametrize(
    ("keys", "hosts", "found"),
    [
        ({}, ["local"], ["http://localhost/health"]),
        ({"proxy": {"port": 8080}}, ["local"], ["http://localhost:8080/health"]),
        ({"proxy": {"port": 8080}}, ["me@one:2222", "two"], ["http://one:8080/health", "http://two:8080/health"]),
        (
            {"environments": {"local": {"url": "https://shop.example/x/"}}},
            ["a", "b"],
            ["https://shop.example/x/health"],
        ),
        ({"services": {"api": {"context": "api"}}}, ["local"], []),
    ],
)
def test_the_address_is_the_environments_or_that_of_each_host(keys: Any, hosts: list[str], found: list[str]) -> None:
    assert urls(make_project(**keys), hosts) == found


def test_without_routes_there_is_no_proxy_to_look_at() -> None:
    checks = plan(make_project(services={"api": {"context": "api"}}), {"local": expected()})
    assert {check.group for check in checks} == {"containers"}


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/health", "api"),
        ("/health/deep", "api"),
        ("/healthz", "web"),
        ("/api?x=1", "api"),
        ("/apis", "web"),
        ("/", "web"),
    ],
)
def test_paths_lead_where_the_longest_route_says(path: str, service: str) -> None:
    assert owner(make_project(services={"web": WEB, "api": API}), path) == service


def test_a_health_path_that_leads_elsewhere_is_a_warning_not_a_pass_by_the_wrong_service() -> None:
    project = make_project(services={"web": WEB, "api": {**API, "routes": ["/api"]}})
    checks = plan(project, {"local": expected(images={"api": "x", "web": "y"})})
    [unreachable] = [check for check in checks if isinstance(check, NotReachable)]
    verdict = unreachable.look(None)  # type: ignore[arg-type]
    assert (verdict.status, verdict.detail) == ("warn", "/health leads to web: unverifiable")
    assert verdict.remedy == 'add "/health" to services.api.routes'


def test_requests_are_enough_to_reach_more_than_one_replica_and_bounded() -> None:
    for replicas, times in ((1, 2), (2, 4), (30, 8)):
        project = make_project(services={"api": {**API, "replicas": replicas}})
        [endpoint] = [check for check in plan(project, {"local": expected()}) if isinstance(check, Endpoint)]
        assert endpoint.times == times


def test_one_service_only() -> None:
    checks = plan(make_project(), {"local": expected(stores=("db",))}, services=["api"])
    assert {check.service for check in checks} == {"api"}
    assert {check.group for check in checks} == {"containers", "endpoints"}


def test_what_was_deployed_counts_not_what_is_configured_now() -> None:
    checks = plan(make_project(), {"local": expected(images={"old": "x"}, replicas={"old": 3}, stores=("db",))})
    assert [check.expected for check in checks if isinstance(check, Replicas)] == [3]
    assert not [check for check in checks if isinstance(check, Endpoint)]
    assert [check.service for check in checks if isinstance(check, Store)] == ["db"]


def test_hosts_with_different_versions() -> None:
    mixed = {"a": expected("1.0.0"), "b": expected("1.1.0")}
    [same] = [check for check in plan(make_project(), mixed) if isinstance(check, SameVersion)]
    verdict = same.look(None)  # type: ignore[arg-type]
    assert (verdict.status, verdict.evidence) == ("fail", ("a: 1.0.0", "b: 1.1.0"))
    [same] = [c for c in plan(make_project(), {"a": expected(), "b": expected()}) if isinstance(c, SameVersion)]
    assert same.look(None).status == "ok"  # type: ignore[arg-type]


def test_unknown_stores_are_looked_for() -> None:
    checks = plan(make_project(), {"local": expected(stores=None)})
    assert [check.known for check in checks if isinstance(check, OtherServices)] == [("api", "api", "proxy")]
