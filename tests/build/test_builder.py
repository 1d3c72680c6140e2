"""What a builder can do, what is refused with which remedy, and how a missing builder comes to be."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shiptasks.build.builder import (
    Capabilities,
    Wanted,
    builder_option,
    capabilities,
    creation,
    expected,
    inspected,
    refuse_impossible,
)
from shiptasks.build.engine import Engine
from shiptasks.build.sections import Builder, ServiceImage
from shiptasks.errors import Failed, Refused, UsageError
from shiptasks.run.events import Bus, StepFinished
from tests.build.test_engine import fake_docker

ENGINE = Engine("26.1", "", containerd_store=True, buildx=(0, 13), driver="docker")

# What the versions in use write.
DEFAULT = """\
Name:          default
Driver:        docker
Last Activity: 2026-11-21 08:34:22 +0000 UTC

Nodes:
Name:             default
Endpoint:         default
Status:           running
BuildKit version: v0.0.0+unknown
Platforms:        linux/amd64, linux/amd64/v2, linux/arm64
Labels:
 org.mobyproject.buildkit.worker.executor:             containerd
GC Policy rule#0:
 All:           false
"""
FARM = """\
Name:   farm
Driver: docker-container

Nodes:
Name:           farm0
Endpoint:       unix:///var/run/docker.sock
Driver Options: network="host"
Status:         running
Buildkit:       v0.12.5
Platforms:      linux/amd64*, linux/amd64 (+3), linux/386

Name:           farm1
Endpoint:       ssh://arm.example.com
Status:         running
Buildkit:       v0.12.5
Platforms:      linux/arm64*
"""
GONE = """\
Name:   elsewhere
Driver: remote

Nodes:
Name:     elsewhere0
Endpoint: tcp://10.0.0.9:1234
Error:    listing workers: connection refused
"""


def test_the_engines_own_builder() -> None:
    found = inspected(DEFAULT)
    assert found is not None
    assert (found.name, found.driver, found.endpoint, found.error) == ("default", "docker", "default", "")
    assert found.buildkit == "v0.0.0+unknown"
    assert found.platforms == ("linux/amd64", "linux/amd64/v2", "linux/arm64")


def test_platforms_of_all_nodes_without_stars_and_counts() -> None:
    found = inspected(FARM)
    assert found is not None
    assert found.platforms == ("linux/amd64", "linux/386", "linux/arm64")
    assert found.buildkit == "v0.12.5"


def test_what_is_not_understood() -> None:
    assert inspected("") is None
    assert inspected("Name: x\n") is None


@given(st.text())
def test_any_text_is_read_or_not(text: str) -> None:
    found = inspected(text)
    assert found is None or found.driver


def capable(driver: str = "docker", store: bool = True, platforms: tuple[str, ...] = ("linux/amd64",)) -> Capabilities:
    return Capabilities("b", driver, store, platforms)


def test_nothing_is_refused_that_is_possible() -> None:
    for builder in (capable(), capable("docker-container", False), capable("remote"), capable("docker", False)):
        refuse_impossible(Wanted(), builder)
        refuse_impossible(Wanted(("linux/amd64",), load=True), builder)
    refuse_impossible(Wanted(("linux/amd64", "linux/arm64"), load=True), capable(platforms=()))
    refuse_impossible(Wanted(attestations=True, oci=True), capable("kubernetes", False))
    refuse_impossible(
        Wanted(("linux/arm64/v8", "linux/arm")), capable("remote", platforms=("linux/arm64", "linux/arm/v7"))
    )


STORE_OR_CONTAINER = (
    "turn on the containerd image store of the engine, or docker buildx create --name=builder --driver=docker-container"
)


@pytest.mark.parametrize(
    ("wanted", "builder", "details"),
    [
        (
            Wanted(("linux/amd64", "linux/s390x", "linux/arm64")),
            capable(),
            (
                "it does not build for linux/s390x, linux/arm64: docker run --privileged --rm tonistiigi/binfmt "
                "--install arm64,s390x, or a builder of that kind",
            ),
        ),
        (
            Wanted(("linux/amd64", "linux/arm64")),
            capable("docker", False, ("linux/amd64", "linux/arm64")),
            (f"it cannot make one image for several platforms: {STORE_OR_CONTAINER}",),
        ),
        (
            Wanted(("linux/amd64", "linux/arm64"), load=True),
            capable("docker-container", False, ("linux/amd64", "linux/arm64")),
            ("an image for several platforms cannot be loaded into the engine from it: add --push, or --platform",),
        ),
        (
            Wanted(attestations=True, oci=True),
            capable("docker", False),
            (
                f"it cannot attach provenance or SBOM to images: {STORE_OR_CONTAINER}",
                f"it cannot write images into files: {STORE_OR_CONTAINER}",
            ),
        ),
    ],
)
def test_what_is_not_possible_is_refused_with_the_remedy(
    wanted: Wanted, builder: Capabilities, details: tuple[str, ...]
) -> None:
    with pytest.raises(Refused) as caught:
        refuse_impossible(wanted, builder)
    assert caught.value.what == f"the builder b (driver {builder.driver}) cannot do what is asked"
    assert caught.value.details == details
    assert details[0].endswith(caught.value.hint)
    assert (caught.value.exit_code, caught.value.now) == (3, "nothing was built")


def test_a_platform_that_does_not_exist_is_no_matter_of_builders() -> None:
    with pytest.raises(UsageError) as caught:
        refuse_impossible(Wanted(("linux/amd64", "linux/x86_64")), capable())
    assert caught.value.what == (
        "'linux/x86_64' is no platform: unknown architecture 'x86_64': did you mean \"linux/amd64\"?"
    )
    assert caught.value.exit_code == 2


# --- with the docker command -----------------------------------------------------------------------------------------


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what the docker command answers; its arguments are in the file `asked`."""
    (tmp_path / "bin").mkdir()
    cat, printf = shutil.which("cat"), 'printf "%s\\n" "$*"'

    def answers(script: str, text: str = "") -> Path:
        (tmp_path / "text").write_text(text)
        fake_docker(
            tmp_path / "bin", f"{printf} >> {tmp_path}/asked\n{script.replace('TEXT', f'{cat} {tmp_path}/text')}"
        )
        return tmp_path / "asked"

    # `fake_docker` looks for sh on PATH.
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return answers


def test_capabilities_of_the_builder_in_use(docker: Any, tmp_path: Path) -> None:
    asked = docker("TEXT", DEFAULT)
    found = capabilities(tmp_path, ENGINE, Builder())
    assert found == Capabilities(
        "default", "docker", True, ("linux/amd64", "linux/amd64/v2", "linux/arm64"), "v0.0.0+unknown", (0, 13)
    )
    assert found.native == "linux/amd64"
    assert asked.read_text() == "buildx inspect\n"


def test_capabilities_of_the_builder_that_is_configured(docker: Any, tmp_path: Path) -> None:
    asked = docker("TEXT", FARM)
    found = capabilities(tmp_path, ENGINE, Builder(name="farm", driver="docker-container"))
    assert found is not None
    assert (found.name, found.driver) == ("farm", "docker-container")
    assert asked.read_text() == "buildx inspect farm\n"


def test_a_builder_with_another_driver(docker: Any, tmp_path: Path) -> None:
    docker("TEXT", FARM)
    settings = Builder(name="farm", driver="remote", endpoint="tcp://x:1")
    with pytest.raises(Refused, match="the builder farm has the driver docker-container, not remote") as caught:
        capabilities(tmp_path, ENGINE, settings)
    assert caught.value.hint == "docker buildx rm farm, or another name for the one that is configured"


def test_a_builder_that_does_not_answer(docker: Any, tmp_path: Path) -> None:
    docker("TEXT", GONE)
    with pytest.raises(Refused, match="the builder elsewhere does not answer") as caught:
        capabilities(tmp_path, ENGINE, Builder())
    assert caught.value.details == ("listing workers: connection refused",)


def test_a_builder_that_is_not_there(docker: Any, tmp_path: Path) -> None:
    docker("echo 'ERROR: no builder \"farm\" found' >&2; exit 1")
    with pytest.raises(Refused, match="the builder farm does not answer") as caught:
        capabilities(tmp_path, ENGINE, Builder(name="farm"))
    assert caught.value.where == "pyproject.toml [tool.shiptasks.build] builder"
    assert caught.value.hint.endswith('driver = "docker-container" beside its name creates it')
    assert caught.value.details == ('ERROR: no builder "farm" found',)
    assert capabilities(tmp_path, ENGINE, Builder(name="farm", driver="docker-container")) is None


def test_any_other_failure_creates_nothing(docker: Any, tmp_path: Path) -> None:
    docker("echo 'ERROR: permission denied' >&2; exit 1")
    with pytest.raises(Refused, match="does not answer"):
        capabilities(tmp_path, ENGINE, Builder(name="farm", driver="docker-container"))


def test_what_a_builder_that_is_made_will_be_able_to_do() -> None:
    found = expected(ENGINE, Builder(name="farm", driver="kubernetes"))
    assert found.cache_export
    assert found.attestations
    refuse_impossible(Wanted(("linux/amd64", "linux/arm64")), found)


def test_the_command_that_creates_a_builder() -> None:
    settings = Builder(
        name="farm",
        driver="remote",
        endpoint="tcp://build.example.com:1234",
        options={"cacert": "ca.pem", "key": "a,b.pem"},
    )
    step = creation(settings, ["linux/arm64"])
    assert step.argv == (
        *("docker", "buildx", "create", "--name=farm", "--driver=remote", "--bootstrap"),
        *("--driver-opt=cacert=ca.pem", '--driver-opt="key=a,b.pem"', "--platform=linux/arm64"),
        "tcp://build.example.com:1234",
    )
    assert step.line() == (
        "+ builder farm: docker buildx create --name=farm --driver=remote --bootstrap --driver-opt=cacert=ca.pem "
        "'--driver-opt=\"key=a,b.pem\"' --platform=linux/arm64 tcp://build.example.com:1234"
    )
    assert builder_option(settings) == ("--builder=farm",)
    assert builder_option(Builder()) == ()
    with pytest.raises(ValueError, match="name and driver"):
        creation(Builder(name="farm"))


class Recorder:
    def __init__(self) -> None:
        self.ends: list[StepFinished] = []

    def handle(self, event: Any) -> None:
        if isinstance(event, StepFinished):
            self.ends.append(event)


def test_a_builder_is_created_as_a_step(docker: Any, tmp_path: Path) -> None:
    asked, recorder = docker("exit 0"), Recorder()
    creation(Builder(name="farm", driver="docker-container")).apply(tmp_path, Bus(recorder))
    assert asked.read_text() == "buildx create --name=farm --driver=docker-container --bootstrap\n"
    assert [end.outcome for end in recorder.ends] == ["ok"]


def test_a_builder_that_cannot_be_created_is_removed_again(docker: Any, tmp_path: Path) -> None:
    asked = docker("echo 'ERROR: cannot pull moby/buildkit' >&2; exit 1")
    step = creation(Builder(name="farm", driver="docker-container"))
    with pytest.raises(Failed, match="the builder farm could not be created") as caught:
        step.apply(tmp_path, Bus(Recorder()))
    assert asked.read_text().splitlines() == [" ".join(step.argv[1:]), "buildx rm --force farm"]
    assert caught.value.details == ("ERROR: cannot pull moby/buildkit",)
    assert caught.value.hint == " ".join(step.argv)


# --- the settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"driver": "remote"}, "a builder that is to be created needs a `name`"),
        ({"name": "x", "endpoint": "tcp://x:1"}, "`endpoint` is for a builder that is created: it needs a `driver`"),
        ({"name": "x", "options": {"a": "b"}}, "`options` is for a builder that is created: it needs a `driver`"),
        ({"name": "x", "driver": "remote"}, "a remote builder needs an `endpoint`"),
        ({"name": "x", "driver": "docker"}, "Input should be 'docker-container', 'remote' or 'kubernetes'"),
        ("--help", "expected the name of a builder"),
        ({"name": "x", "driver": "remote", "endpoint": "tcp://u:hunter22@x:1"}, "must not hold credentials"),
        ({"name": "x", "driver": "remote", "endpoint": "--append"}, "expected the endpoint of a builder"),
        ({"name": "x", "driver": "remote", "endpoint": "tcp://x", "options": {"--x": "y"}}, "name of an option"),
    ],
)
def test_wrong_builders(settings: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Builder.model_validate(settings)


def test_a_name_is_enough() -> None:
    assert Builder.model_validate("farm").name == "farm"


@pytest.mark.parametrize(
    ("platform", "message"),
    [
        ("amd64", 'expected a platform such as "linux/amd64"'),
        ("linux/x86_64", 'did you mean "linux/amd64"?'),
        ("linux/armv7", 'did you mean "linux/arm/v7"?'),
        ("linux/amd46", "amd64"),
        ("plan9/amd64", "unknown system 'plan9'"),
        ("linux/amd64;id", "expected a platform"),
    ],
)
def test_unknown_platforms(platform: str, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        ServiceImage.model_validate({"platforms": [platform]})


def test_platforms_are_not_named_twice() -> None:
    with pytest.raises(ValidationError, match="linux/amd64 is in the list twice"):
        ServiceImage.model_validate({"platforms": ["linux/amd64", "linux/amd64"]})
