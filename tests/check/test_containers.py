"""What a container for tests gets and what the tests get of it. Real ones are in tests/lab/test_check_containers.py."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from shiptasks.check import ready
from shiptasks.check.containers import filled, place, started, values_of, variables_of
from shiptasks.check.images import KNOWN, known
from shiptasks.check.sections import KNOWN_IMAGES, PLACEHOLDER, PLACEHOLDERS, Container
from shiptasks.errors import Failed, Interrupted, UsageError
from shiptasks.run.lease import Lease
from shiptasks.run.process import Stop, current_stop


def container(image: str, **more: Any) -> Container:
    return Container.model_validate({"image": image, **more})


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    folder = tmp_path / ".shiptasks" / "runs" / "20261121T003412Z-000001"
    folder.mkdir(parents=True)
    return Lease.take(folder)


def test_the_configuration_knows_the_images_that_are_known() -> None:
    assert sorted(KNOWN) == sorted(KNOWN_IMAGES)


@pytest.mark.parametrize("name", KNOWN)
def test_every_placeholder_of_a_known_image_has_a_value(name: str) -> None:
    image = KNOWN[name]
    values, env = values_of(container(name), "secret")
    assert set(values) | {"host", "port"} == set(PLACEHOLDERS)
    for text in image.variables.values():
        assert set(PLACEHOLDER.findall(text)) <= set(PLACEHOLDERS)
        assert not PLACEHOLDER.findall(filled(text, values, ("127.0.0.1", 5)))
    assert not any(PLACEHOLDER.findall(text) for text in env.values())
    for word in image.health:
        assert set(PLACEHOLDER.findall(word)) <= {"port", *values}


@pytest.mark.parametrize(
    ("repository", "name"),
    [
        ("postgres", "postgres"),
        ("ghcr.io/acme/mirror/postgres", "postgres"),
        ("localhost:5000/redis", "redis"),
        ("acme/postgres-15", None),
        ("postgres/pgadmin", None),
    ],
)
def test_an_image_is_known_by_the_last_part_of_its_name(repository: str, name: str | None) -> None:
    assert known(repository) is (KNOWN[name] if name else None)


def test_text_alone_is_the_image() -> None:
    assert Container.model_validate("postgres:17") == container("postgres:17")


@pytest.mark.parametrize(
    ("table", "place", "what"),
    [
        (
            {"image": "ghcr.io/acme/search:2"},
            ("port",),
            "the image ghcr.io/acme/search:2 is not known here: give its `port`, and its `variables`",
        ),
        (
            {"image": "redis", "variables": {"URL": "redis://{hots}:{port}"}},
            ("variables", "URL"),
            "{hots} is not known here: expected one of {host}, {port}, {user}, {password}, {database}",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(table: Any, place: tuple[str, ...], what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Container.model_validate(table)
    (problem,) = caught.value.errors()
    assert problem["ctx"]["error"].found == ((place, what),)


@pytest.mark.parametrize(
    "table", [{"image": "redis", "port": 0}, {"image": "Redis!"}, {}, {"image": "redis", "variables": {"A-B": ""}}]
)
def test_values_that_cannot_be(table: Any) -> None:
    with pytest.raises(ValidationError):
        Container.model_validate(table)


def test_what_the_configuration_says_of_the_environment_holds_for_the_address_too() -> None:
    made = container("postgres:17", env={"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": "a/b@c", "TZ": "UTC"})
    values, env = values_of(made, "random")
    assert env == {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": "a/b@c", "POSTGRES_DB": "test", "TZ": "UTC"}
    (text,) = variables_of(made).values()
    assert filled(text, values, ("127.0.0.1", 5)) == "postgresql://shop:a%2Fb%40c@127.0.0.1:5/test"
    assert filled("{password}", values, ("127.0.0.1", 5)) == "a/b@c"


def test_an_unknown_image_can_be_given_the_password() -> None:
    made = container("acme/search", port=80, env={"KEY": "{password}", "JSON": '{"a": {}}'}, variables={"U": "{host}"})
    values, env = values_of(made, "random")
    assert env == {"KEY": "random", "JSON": '{"a": {}}'}
    assert values == {"user": "test", "password": "random", "database": "test"}
    assert variables_of(made) == {"U": "{host}"}


def test_its_own_variables_take_the_place_of_the_known_ones() -> None:
    made = container("postgres", variables={"PGHOST": "{host}", "PGPORT": "{port}"})
    assert list(variables_of(made)) == ["PGHOST", "PGPORT"]


def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    assert filled("redis://{host}:{port}/0", {}, ("2001:db8::1", 7)) == "redis://[2001:db8::1]:7/0"


@given(st.text(), st.text(), st.text())
@example("", "{password}{port}", "{user}")
def test_values_are_never_looked_through_for_placeholders_of_the_address(text: str, user: str, password: str) -> None:
    values = {"user": user, "password": password, "database": "d"}
    said = filled("x://{user}:{password}@h/{database}", values, ("127.0.0.1", 5))
    assert said.startswith("x://")
    assert said.endswith("@h/d")
    assert said.count("@") == 1
    assert filled(text.replace("{", ""), values, ("127.0.0.1", 5)) == text.replace("{", "")
    assert filled("{user} {password}", values, ("127.0.0.1", 5)) == f"{user} {password}"


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("", ("127.0.0.1", "127.0.0.1")),
        ("unix:///var/run/docker.sock", ("127.0.0.1", "127.0.0.1")),
        ("npipe:////./pipe/docker_engine", ("127.0.0.1", "127.0.0.1")),
        ("tcp://localhost:2375", ("127.0.0.1", "127.0.0.1")),
        ("tcp://127.0.0.1:2375", ("127.0.0.1", "127.0.0.1")),
        ("tcp://docker:2376", ("docker", "0.0.0.0")),
        ("ssh://deploy@build.example.com", ("build.example.com", "0.0.0.0")),
        ("tcp://[2001:db8::1]:2375", ("2001:db8::1", "0.0.0.0")),
    ],
)
def test_where_a_published_port_is_reached(endpoint: str, expected: tuple[str, str]) -> None:
    assert place(endpoint) == expected


def test_no_containers_need_no_engine(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with started({}, lease, print) as variables:
        assert variables == {}


def test_without_an_engine_nothing_is_run(lease: Lease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    only = {"db": container("postgres:17")}
    with pytest.raises(Failed, match="the Docker engine does not answer") as caught, started(only, lease, print):
        raise AssertionError("there is none")
    assert caught.value.now == "no test was run"
    assert list(lease.folder.iterdir()) == [lease.folder / "lease"], "nothing is owed"


def test_two_that_lead_to_one_variable_are_refused(lease: Lease) -> None:
    both = {"db": container("postgres:17"), "old": container("mysql:8")}
    with pytest.raises(UsageError) as caught, started(both, lease, print):
        raise AssertionError("not reached")
    assert caught.value.what == "the variable DATABASE_URL would lead to both containers, db and old"
    assert caught.value.now == "no test was run"
    assert caught.value.hint == 'give one of them another: variables = { OTHER_DATABASE_URL = "…" }'


def test_a_wait_is_given_up_when_the_graph_stops_its_steps() -> None:
    stop = Stop()
    token = current_stop.set(stop)
    threading.Timer(0.2, stop.set).start()
    never = threading.Event()
    try:
        with pytest.raises(Interrupted, match="starting db was stopped"):
            ready.aside(lambda: never.wait(20), lambda: ready.check_stop("starting db"))
    finally:
        current_stop.reset(token)
        never.set()


def test_what_is_done_aside_returns_and_raises_as_it_would_here() -> None:
    assert ready.aside(lambda: 5, lambda: None) == 5
    with pytest.raises(TimeoutError, match="its own"):
        ready.aside(lambda: (_ for _ in ()).throw(TimeoutError("its own")), lambda: None)


def test_a_proxy_with_nothing_behind_it_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()[:2]
        assert ready._answers(address, thorough=True), "it waits for us to speak"

        def drop() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        server.accept()[0].close()
        threading.Thread(target=drop, daemon=True).start()
        assert not ready._answers(address, thorough=True)
        assert ready._answers(address, thorough=False)


def test_a_port_that_nobody_listens_on_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()[:2]
    assert not ready._answers(address, thorough=False)
