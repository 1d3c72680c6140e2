"""The user's Compose file as values, what does not fit, and the file that is laid over it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shiptasks.deploy import compose
from shiptasks.deploy.release import ReleaseImage
from shiptasks.errors import UsageError
from tests.deploy.sample import model, project, release


def bind(source: str) -> dict[str, Any]:
    return {"image": "redis:7", "volumes": [{"type": "bind", "source": source, "target": "/data"}]}


@pytest.mark.parametrize(
    ("services", "says"),
    [
        ({"api": {"ports": [{"target": 80}]}}, "services.api.ports: remove it"),
        ({"api": {"container_name": "api"}}, "services.api.container_name: remove it"),
        ({"api": {"network_mode": "host"}}, "services.api.network_mode: remove it"),
        ({"api": None, "apis": {}}, "services.api is configured but not in the Compose file; did you mean apis?"),
        ({"worker": None}, "services.worker is configured but not in the Compose file"),
        ({"proxy": {}}, "services.proxy: the name is taken"),
        ({"redis": bind("./data")}, "services.redis.volumes: ./data is mounted from the repository"),
        ({"redis": bind("/repository/data")}, "services.redis.volumes: /repository/data is mounted"),
    ],
)
def test_misfits(services: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        model(**services)
    assert caught.value.details[0].startswith(says)
    assert caught.value.exit_code == 2
    assert "compose.yaml does not fit the configuration" in caught.value.what


def test_all_misfits_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        model(api={"ports": [{"target": 80}], "container_name": "api"}, worker=None, proxy={})
    assert len(caught.value.details) == 4


def test_mounts_of_the_host_are_the_hosts_business() -> None:
    assert model(redis=bind("/var/lib/data")).stores[0].has_volumes


def test_services_start_after_those_they_depend_on() -> None:
    stands = model(
        api={"depends_on": {"worker": {}, "redis": {}}},
        redis={"image": "redis:7", "depends_on": {"init": {}}},
        init={"image": "busybox"},
    )
    assert [one.name for one in stands.apps] == ["worker", "api"]
    assert [one.name for one in stands.stores] == ["init", "redis"]


def test_definition_is_that_of_what_makes_a_container_differ() -> None:
    def definition(**redis: Any) -> str:
        return model(redis={"image": "redis:7", **redis}).stores[0].definition

    assert definition(scale=2, depends_on={"worker": {}}, command=None, networks={}) == definition()
    assert definition(command=["redis-server"]) != definition()
    assert definition(image="redis:8") != definition()


def test_only_writable_volumes_make_a_service_stop_first() -> None:
    def has(**mount: Any) -> bool:
        return model(redis={"image": "redis:7", "volumes": [{"target": "/x", **mount}]}).stores[0].has_volumes

    assert has(type="volume", source="x")
    assert not has(type="volume", source="x", read_only=True)
    assert not has(type="tmpfs")


def test_overlay_pins_images_and_labels_everything() -> None:
    shop = project()
    text = compose.overlay(shop, model(shop), release("1.0.0"), "/srv/shop/proxy")
    services = json.loads(text.partition("\n")[2])["services"]
    assert services["api"]["image"] == "sha256:api-1.0.0"
    assert services["api"]["labels"]["shiptasks.release"] == "r-1.0.0"
    assert services["redis"]["labels"]["shiptasks.definition"] == model(shop).stores[0].definition
    assert services["proxy"]["ports"] == [{"target": 10080, "published": "80", "protocol": "tcp"}]
    assert services["proxy"]["networks"] == {"default": {"aliases": ["api"]}}
    assert services["proxy"]["volumes"][0]["source"] == "/srv/shop/proxy"


def test_without_routes_there_is_no_proxy() -> None:
    shop = project(services={"api": {}, "worker": {}})
    assert (
        "proxy"
        not in json.loads(compose.overlay(shop, model(shop), release("1.0.0"), "/x").partition("\n")[2])["services"]
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@pytest.mark.skipif(not shutil.which("docker"), reason="docker compose is not there to read the file")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("$HOME ${HOME} $$ $(id) `id` a$")
@example("{{json .}} 'it' \"is\" # no: comment \\ %s")
@given(TEXT)
def test_no_value_is_changed_by_compose(tmp_path: Path, value: str) -> None:
    """What stands in the overlay is what Compose takes it for, whatever characters are in it."""
    shop = project()
    images = {"api": ReleaseImage("sha256:x"), "worker": ReleaseImage("sha256:y")}
    odd = dataclasses.replace(release("1.0.0", images=images), id=value, version=value)
    (tmp_path / "base.yaml").write_text("services: {api: {image: a}, worker: {image: w}, redis: {image: r}}\n")
    (tmp_path / "over.yaml").write_text(compose.overlay(shop, model(shop), odd, f"/srv/{value.replace('/', '')}"))
    argv = ["docker", "compose", "--project-name", "shop", "--file", "base.yaml", "--file", "over.yaml"]
    done = subprocess.run([*argv, "config", "--format", "json"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    # What it prints is a Compose file again, in which a dollar sign is written twice.
    assert services["api"]["labels"]["shiptasks.version"] == value.replace("$", "$$")
    assert services["worker"]["labels"]["shiptasks.release"] == value.replace("$", "$$")


@given(st.text(), st.text())
def test_an_overlay_is_read_back_as_it_was_written(key: str, value: str) -> None:
    data = {key: [value, {value: key}]}
    assert compose._from_yaml(compose._as_yaml(data)) == json.loads(json.dumps(data).replace("$", "$$"))


def test_the_definitions_of_a_release_are_those_of_its_overlay() -> None:
    shop = project()
    then = model(shop)
    text = compose.overlay(shop, then, release("1.0.0"), "/srv/\N{PARTY POPPER}")
    now = dataclasses.replace(then, stores=tuple(dataclasses.replace(s, definition="another") for s in then.stores))
    assert compose.with_definitions(now, text).stores == then.stores
