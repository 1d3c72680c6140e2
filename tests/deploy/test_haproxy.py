"""What the proxy is told: its configuration, and the commands that switch traffic while it runs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.config.model import Project
from shiptasks.deploy.haproxy import Runtime, Slot, render, shape, slots
from shiptasks.deploy.plan import serving
from shiptasks.hosts.base import HostError
from tests.deploy.doubles import ScriptedSession, recorded
from tests.deploy.sample import bare, container, model, project

RUNNING = recorded("haproxy-3.0-running")
"""api: s1 up, s2 not resolved; web: s1 up; all other slots never used."""
DRAINING = recorded("haproxy-3.0-draining")
"""api: s1 drained with a request in flight, s2 not resolved, s3 up with one."""
MAINT = recorded("haproxy-3.0-maint")
"""api: s1 in maintenance while a request is still in flight; said first what an address was changed to."""


def routed(routes: dict[str, list[str]], **settings: Any) -> Project:
    """A project whose services answer to some routes."""
    return project(
        services={
            name: {"port": 8000 + number, "health": "/health", "routes": paths, **settings}
            for number, (name, paths) in enumerate(routes.items())
        }
    )


def configured(shop: Project, serve: dict[str, tuple[str, ...]] | None = None) -> str:
    raw: dict[str, Any] = {name: {"image": name} for name in shop.services}
    return render(shop, model(shop, **{"api": None, "worker": None, "redis": None, **raw}), serve or {})


def goes_to(config: str, path: str) -> str | None:
    """The backend that the public frontend chooses, read from its rules as HAProxy reads them: the first that fits."""
    for line in config.partition("frontend public")[2].partition("frontend internal")[0].splitlines():
        words = line.split()
        if not words or words[0] != "use_backend":
            continue
        exact = re.findall(r"\{ path (\S+) \}", line)
        begins = re.findall(r"\{ path_beg (\S+) \}", line)
        if len(words) == 2 or path in exact or any(path.startswith(prefix) for prefix in begins):
            return words[1]
    return None


@pytest.mark.parametrize(
    ("path", "backend"),
    [
        ("/", "web"),
        ("/apix", "web"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/orders", "api"),
        ("/api/admin", "admin"),
        ("/api/admin/users", "admin"),
        ("/api/administer", "api"),
    ],
)
def test_the_longest_route_wins_and_ends_where_a_word_ends(path: str, backend: str) -> None:
    config = configured(routed({"web": ["/"], "api": ["/api"], "admin": ["/api/admin/"]}))
    assert goes_to(config, path) == backend


WORDS = st.lists(st.sampled_from(["a", "ab", "b"]), max_size=3)


@given(st.lists(st.tuples(WORDS, st.booleans()), min_size=1, max_size=5), WORDS)
def test_whatever_the_routes_the_longest_one_of_whole_words_wins(
    routes: list[tuple[list[str], bool]], path: list[str]
) -> None:
    chosen = {"/".join(["", *words]): slash for words, slash in routes}
    services = {
        f"s{number}": [bare + ("/" if slash or not bare else "")] for number, (bare, slash) in enumerate(chosen.items())
    }
    fitting = [
        (len(bare), f"s{number}")
        for number, bare in enumerate(chosen)
        if path[: len(bare.split("/")) - 1] == bare.split("/")[1:]
    ]
    assert goes_to(configured(routed(services)), "/" + "/".join(path)) == (max(fitting)[1] if fitting else None)


def test_a_route_of_slashes_is_that_of_everything_else() -> None:
    assert goes_to(configured(routed({"web": ["//"], "api": ["/a"]})), "/a") == "api"


def test_a_quote_in_a_path_is_not_one_of_the_configuration() -> None:
    config = configured(project(services={"api": {"port": 8000, "health": "/it's", "routes": ["/o'clock"]}}))
    assert r"uri /it\'s ver" in config
    assert r"{ path /o\'clock } || { path_beg /o\'clock/ }" in config


@pytest.mark.parametrize(("replicas", "count"), [(1, 8), (3, 8), (4, 10), (10, 22)])
def test_there_is_a_slot_for_each_container_of_two_sets(replicas: int, count: int) -> None:
    shop = routed({"api": ["/"]}, replicas=replicas)
    assert slots(shop.services["api"]) == count
    lines = configured(shop, {"api": ("shop-api-1",)}).splitlines()
    servers = [line.strip() for line in lines if line.startswith("    server ")]
    assert len(servers) == count
    assert servers[0] == "server s1 shop-api-1:8000 check resolvers docker"
    assert servers[1] == "server s2 0.0.0.0:8000 check resolvers docker disabled"


def test_more_containers_than_slots_do_not_go_unseen() -> None:
    with pytest.raises(ValueError, match="9 containers do not fit 8 slots"):
        configured(routed({"api": ["/"]}), {"api": tuple(f"shop-api-{number}" for number in range(9))})


def test_services_reach_each_other_by_their_own_port_through_the_proxy() -> None:
    shop = project(
        services={
            "api": {"port": 8000, "health": "/", "routes": ["/api"]},
            "web": {"port": 8000, "health": "/", "routes": ["/"]},
            "admin": {"port": 9000, "health": "/", "routes": ["/admin"]},
            "worker": {"port": 7000},
        }
    )
    stands = model(
        shop,
        api={"image": "api", "networks": {"default": {"aliases": ["backend"]}}},
        web={"image": "web"},
        admin={"image": "admin"},
    )
    config = render(shop, stands, {})
    assert config.partition("frontend internal-8000")[2].partition("frontend")[0].splitlines() == [
        "",
        "    bind :8000",
        "    use_backend api if { req.hdr(host),host_only -i api backend }",
        "    use_backend web if { req.hdr(host),host_only -i web }",
        "",
    ]
    assert "frontend internal-9000\n    bind :9000\n    default_backend admin\n" in config
    assert "7000" not in config


def test_silence_is_as_configured() -> None:
    config = configured(
        project(services={"api": {"port": 1, "health": "/", "routes": ["/"]}}, proxy={"timeout": "90s"})
    )
    assert "timeout client 90000ms" in config
    assert "timeout server 90000ms" in config


CONTAINERS = st.lists(st.sampled_from([f"shop-api-{number}" for number in range(1, 9)]), unique=True, max_size=8)


@given(CONTAINERS, CONTAINERS)
def test_who_serves_is_not_part_of_the_shape(some: list[str], others: list[str]) -> None:
    shop = routed({"api": ["/"]})
    first, second = configured(shop, {"api": tuple(some)}), configured(shop, {"api": tuple(others)})
    assert shape(first) == shape(second) != ""


@given(CONTAINERS)
def test_who_serves_can_be_read_back_from_the_file(names: list[str]) -> None:
    shop = routed({"api": ["/"]})
    running = tuple(container("api", number, "1.0.0") for number in range(1, 9))
    state = bare(proxy_config=configured(shop, {"api": tuple(names)}), containers=running)
    assert serving(shop, state) == {"api": tuple(names)}


BASE: dict[str, Any] = {"port": 8000, "health": "/health", "routes": ["/api"], "replicas": 2}


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({"port": 8001}, True),
        ({"health": "/ready"}, True),
        ({"routes": ["/api", "/v2"]}, True),
        ({"replicas": 4}, True),
        ({"replicas": 3}, False),
        ({"migrate": ["alembic"]}, False),
        ({"stop-first": True}, False),
    ],
)
def test_the_shape_changes_exactly_when_the_fixed_part_does(changed: dict[str, Any], differs: bool) -> None:
    before = shape(configured(project(services={"api": BASE})))
    after = shape(configured(project(services={"api": {**BASE, **changed}})))
    assert (before != after) is differs


def test_a_file_of_somebody_else_has_no_shape() -> None:
    assert shape("") == shape("global\n    daemon\n") == ""


def test_what_haproxy_says_is_read() -> None:
    found = {(slot.backend, slot.name): slot for slot in Runtime(ScriptedSession(DRAINING), "p").slots()}
    assert len(found) == 16
    assert found["api", "s1"] == Slot("api", "s1", "shop-api-1", "192.168.240.2", "DRAIN", 1, 0)
    assert found["api", "s2"] == Slot("api", "s2", "shop-api-2", "0.0.0.0", "MAINT (resolution)", 0, 0)
    assert found["api", "s3"] == Slot("api", "s3", "shop-api-3", "192.168.240.3", "UP", 1, 0)
    assert found["api", "s4"] == Slot("api", "s4", "", "0.0.0.0", "MAINT", 0, 0)
    assert [key for key, slot in found.items() if slot.serving] == [("api", "s3"), ("web", "s1")]
    assert not found["api", "s1"].free
    assert found["api", "s4"].free


def test_commands_travel_on_standard_input_and_are_read_back_in_one_go() -> None:
    session = ScriptedSession(MAINT)
    Runtime(session, "shop-proxy-1").slots("set server api/s3 addr 10.9.9.9")
    assert session.asked == ["set server api/s3 addr 10.9.9.9;show servers state;show stat\n"]
    assert session.scripts[0].startswith("docker exec -i shop-proxy-1 bash -c ")


@pytest.mark.parametrize("said", ["No such server.", "No such backend.", "Unknown command: 'sett'"])
def test_a_refused_command_is_an_error(said: str) -> None:
    session = ScriptedSession(f"no need to change the FDQN by 'stats socket command'\n\n{said}\n\n{RUNNING}")
    with pytest.raises(HostError) as caught:
        Runtime(session, "p").slots("set server api/s99 state ready")
    assert caught.value.what == f"HAProxy refused a command: {said}"
    assert caught.value.details == ("set server api/s99 state ready;show servers state;show stat", said)


@pytest.mark.parametrize("output", ["", "1\n", RUNNING.partition("# pxname")[0], "bash: connect: Connection refused\n"])
def test_an_answer_that_is_not_whole_is_an_error(output: str) -> None:
    with pytest.raises(HostError, match="the proxy's runtime interface did not answer"):
        Runtime(ScriptedSession(output), "p").slots()


def assigned(answer: str, *containers: str) -> list[str]:
    """The commands that put containers into slots."""
    session = ScriptedSession(answer)
    Runtime(session, "p").assign("api", containers)
    return [line for text in session.asked for line in text.strip().split(";") if line.startswith("set")]


def test_new_containers_get_slots_that_were_never_used() -> None:
    assert assigned(RUNNING, "shop-api-3", "shop-api-4") == [
        "set server api/s3 fqdn shop-api-3",
        "set server api/s4 fqdn shop-api-4",
    ]


def test_a_container_goes_back_to_the_slot_that_it_held() -> None:
    assert assigned(RUNNING, "shop-api-2", "shop-api-3") == [
        "set server api/s2 fqdn shop-api-2",
        "set server api/s3 fqdn shop-api-3",
    ]


def test_a_container_that_has_its_slot_keeps_it() -> None:
    assert assigned(RUNNING, "shop-api-1") == []
    assert assigned(MAINT, "shop-api-1") == []  # its request is still in flight there


def all_taken(answer: str) -> str:
    """The same proxy with the slots of `api` filled that were never used."""
    lines = []
    for line in answer.splitlines():
        words = line.split(" ")
        if len(words) > 17 and words[1] == "api" and words[17] == "-":
            words[17] = f"shop-api-{words[3]}"
        fields = line.split(",")
        if fields[0] == "api" and fields[1] in ("s4", "s5", "s6", "s7", "s8"):
            fields[17] = "UP"
        lines.append(",".join(fields) if len(fields) > 1 else " ".join(words))
    return "\n".join(lines) + "\n"


def test_a_slot_with_a_request_in_flight_is_never_given_away() -> None:
    taken = all_taken(MAINT)
    assert assigned(taken, "shop-api-9") == ["set server api/s2 fqdn shop-api-9"]  # all that is free, held before
    with pytest.raises(HostError, match="no free slot in the proxy for shop-api-10"):
        assigned(taken, "shop-api-9", "shop-api-10")


def test_states_are_set_for_the_slots_that_hold_the_containers() -> None:
    session = ScriptedSession(RUNNING, DRAINING)
    after = Runtime(session, "p").set_state("api", ("shop-api-1", "shop-web-1"), "drain")
    assert session.asked[1] == "set server api/s1 state drain;show servers state;show stat\n"
    assert [(slot.name, slot.status, slot.sessions) for slot in after] == [("s1", "DRAIN", 1)]


def test_containers_without_a_slot_are_nobody_s_business() -> None:
    session = ScriptedSession(RUNNING)
    assert Runtime(session, "p").set_state("api", ("shop-api-77",), "maint") == ()
    assert len(session.asked) == 1


def test_what_a_container_holds() -> None:
    [slot] = Runtime(ScriptedSession(DRAINING), "p").held("api", ("shop-api-3", "shop-web-1"))
    assert (slot.name, slot.serving) == ("s3", True)
