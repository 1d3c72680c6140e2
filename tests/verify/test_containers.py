"""Each kind of check once well, and once for each way in which it can fail."""

from __future__ import annotations

from typing import Any

import pytest

from shiptasks.hosts.base import HostError
from shiptasks.verify.containers import Healthy, ImageDeployed, NotRestarted, OtherServices, Replicas, Store
from shiptasks.verify.model import Check, Facts
from shiptasks.verify.proxy import ProxyRuns
from tests.verify.sample import IMAGE_ID, REF, RELEASE, container, facts

REPLICAS = Replicas("local", "api", RELEASE, 2)
HEALTHY = Healthy("local", "api", RELEASE)
RESTARTS = NotRestarted("local", "api", RELEASE)
IMAGE = ImageDeployed("local", "api", RELEASE, REF)
STORE = Store("local", "db")
OTHERS = OtherServices("local", ("api", "proxy"))
PROXY = ProxyRuns("local")

WELL = (container("api", 1), container("api", 2), container("db", release=""), container("proxy", release=""))


@pytest.mark.parametrize("check", [REPLICAS, HEALTHY, RESTARTS, IMAGE, STORE, OTHERS, PROXY], ids=lambda c: c.target)
def test_what_is_well_is_ok(check: Check) -> None:
    assert check.look(facts(*WELL)).status == "ok"


@pytest.mark.parametrize("check", [REPLICAS, HEALTHY, RESTARTS, IMAGE, STORE, OTHERS, PROXY], ids=lambda c: c.target)
def test_a_host_that_could_not_be_observed_is_never_judged(check: Check) -> None:
    with pytest.raises(HostError, match="gone"):
        check.look(Facts({"local": HostError("gone")}))


@pytest.mark.parametrize(
    ("check", "containers", "status", "detail"),
    [
        (REPLICAS, [], "fail", "0 of 2 run"),
        (REPLICAS, [container()], "fail", "1 of 2 run"),
        (REPLICAS, [container(), container(number=2, status="exited")], "fail", "1 of 2 run"),
        (REPLICAS, [container(), container(number=2, status="restarting")], "fail", "1 of 2 run"),
        (REPLICAS, [container(), container(number=2, status="paused")], "fail", "1 of 2 run"),
        (REPLICAS, [container(), container(number=2, release="old")], "fail", "1 of 2 run"),
        (REPLICAS, [container(number=n) for n in (1, 2, 3)], "fail", "3 of 2 run"),
        (REPLICAS, [*WELL, container(number=3, release="old")], "warn", "2 of 2 run, and 1 of another release"),
        (HEALTHY, [], "skip", "no container runs"),
        (HEALTHY, [container(health="unhealthy"), container(number=2)], "fail", "1 of 2 healthy, 1 unhealthy"),
        (HEALTHY, [container(health="starting")], "fail", "0 of 1 healthy, 1 starting"),
        (HEALTHY, [container(health="none")], "warn", "0 of 1 healthy, 1 without a healthcheck: unverifiable"),
        (HEALTHY, [container(health="none"), container(health="unhealthy")], "fail", "0 of 2 healthy, 1 unhealthy"),
        (HEALTHY, [container(), container(release="old", health="unhealthy")], "ok", "1 of 1 healthy"),
        (RESTARTS, [container(restarts=3), container(restarts=1)], "fail", "4 restarts"),
        (RESTARTS, [container(restarts=1)], "fail", "1 restart"),
        (RESTARTS, [container(status="exited", oom_killed=True)], "fail", "0 restarts, out of memory"),
        (RESTARTS, [container(release="old", restarts=9)], "skip", "no container of the release"),
        (IMAGE, [container(image="shop-api:1.1.0"), container()], "fail", "1 of 2 from another image"),
        (IMAGE, [container(image=REF.replace("a", "b"))], "fail", "1 of 1 from another image"),
        (IMAGE, [], "skip", "no container of the release"),
        (STORE, [], "fail", "does not run"),
        (STORE, [container("db", status="exited", exit_code=1)], "fail", "does not run"),
        (STORE, [container("db", status="restarting", exit_code=0)], "fail", "does not run"),
        (STORE, [container("db", status="exited", exit_code=0)], "warn", "ended with exit code 0"),
        (STORE, [container("db", health="unhealthy")], "fail", "0 of 1 healthy, 1 unhealthy"),
        (STORE, [container("db", health="none")], "warn", "0 of 1 healthy, 1 without a healthcheck: unverifiable"),
        (OTHERS, [], "skip", "none found"),
        (OTHERS, [container("db"), container("redis", status="dead", exit_code=1)], "fail",
         "db: 1 of 1 healthy, redis: does not run"),
        (PROXY, [], "fail", "does not run"),
        (PROXY, [container("proxy", status="exited", exit_code=1)], "fail", "does not run"),
        (PROXY, [container("proxy", health="unhealthy")], "fail", "0 of 1 healthy, 1 unhealthy"),
    ],
)  # fmt: skip
def test_what_is_not_well_is_found(check: Check, containers: list[Any], status: str, detail: str) -> None:
    verdict = check.look(facts(*containers))
    assert (verdict.status, verdict.detail) == (status, detail)
    if status in ("fail", "warn"):
        assert verdict.evidence
        assert verdict.remedy


def test_evidence_shows_the_failing_container_its_probe_and_the_next_command() -> None:
    sick = container(number=2, health="unhealthy", restarts=2, probe_output="connection refused\nby db:5432")
    verdict = HEALTHY.look(facts(container(), sick))
    assert verdict.evidence == (
        f"shop-api-2 of release {RELEASE}: running, unhealthy, restarted 2 times",
        "  connection refused",
        "  by db:5432",
    )
    assert verdict.remedy == "docker logs --tail 50 shop-api-2"


def test_an_image_may_be_pinned_by_its_id() -> None:
    by_id = ImageDeployed("local", "api", RELEASE, IMAGE_ID)
    assert by_id.look(facts(container(image=IMAGE_ID))).status == "ok"
    assert by_id.look(facts(container(image="shop-api:1.1.0"))).status == "ok"
    assert by_id.look(facts(container(image_id="sha256:" + "2" * 64))).status == "fail"
