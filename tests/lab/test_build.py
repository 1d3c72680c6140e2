"""Builds with the real engine and registry: side by side, from the cache, failing, pushed, interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from shiptasks.build import manifest
from shiptasks.build.bake import BuildResult, build
from shiptasks.build.engine import client, preflight
from shiptasks.build.plan import plan
from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.errors import Failed, UsageError
from shiptasks.run.events import Bus, Event, StepFinished, StepOutput, StepStarted
from tests.lab.proc import run
from tests.lab.registry import MANIFEST_TYPES, Registry

pytestmark = pytest.mark.usefixtures("lab_images")

SLOW = 1.5
"""Seconds that one instruction of each image takes without a cache: long enough to see the two overlap."""
UNCOMMITTED = "0.0.0-dev.uncommitted"

PYPROJECT = """\
[tool.shiptasks]
project = "{name}"
{registry}
[tool.shiptasks.services.api]
context = "api"
target = "final"
[tool.shiptasks.services.api.args]
GREETING = 'it is $${{not}} "interpolated" %{{ at all }}'
[tool.shiptasks.services.web]
context = "web"
dockerfile = "docker/web.Dockerfile"
"""

API = """\
FROM python:3.13-slim AS final
ARG GREETING
ARG VERSION
RUN date +%s.%N > /times; sleep {slow}; date +%s.%N >> /times; echo {salt}
RUN printf '%s' "$GREETING" > /greeting; printf '%s' "$VERSION" > /version
COPY file /file
FROM final AS other
RUN false
"""

WEB = """\
FROM python:3.13-slim
RUN date +%s.%N > /times; sleep {slow}; date +%s.%N >> /times; echo {salt}
COPY file /file
"""


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)

    def ends(self) -> list[tuple[str, str]]:
        builds = {event.step for event in self.events if isinstance(event, StepStarted) and event.title == "build"}
        ended = [event for event in self.events if isinstance(event, StepFinished) and event.step in builds]
        return [(event.outcome, event.detail) for event in ended]

    def lines(self) -> list[str]:
        return [event.line for event in self.events if isinstance(event, StepOutput)]


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    """A product of two services whose images nobody has built before; they are removed afterwards."""
    name = f"labbuild-{secrets.token_hex(4)}"
    write(tmp_path, name)
    yield tmp_path
    with client() as api:
        names = [load(tmp_path).image_name(service) for service in ("api", "web")]
        for tag in [f"{name}:{version}" for name in names for version in ("1.0.0", UNCOMMITTED)]:
            with contextlib.suppress(ImageNotFound):
                api.images.remove(tag, force=True)


def write(root: Path, name: str, registry: str = "") -> None:
    salt = secrets.token_hex(4)
    line = f'registry = "{registry}"' if registry else ""
    (root / "pyproject.toml").write_text(PYPROJECT.format(name=name, registry=line))
    (root / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    for folder in ("api", "web", "docker"):
        (root / folder).mkdir(exist_ok=True)
    for folder in ("api", "web"):
        (root / folder / "file").write_text(salt)
    (root / "api" / "Dockerfile").write_text(API.format(slow=SLOW, salt=salt))
    (root / "docker" / "web.Dockerfile").write_text(WEB.format(slow=SLOW, salt=salt))


def built(
    project: Project, recorder: Recorder | None = None, version: str = "1.0.0", skip: bool = False, **options: Any
) -> BuildResult:
    engine = preflight(project.root)
    made = plan(project, version, "", registry_cache=engine.registry_cache, by_digest=engine.by_digest, **options)
    return build(project, made, engine, Bus(recorder or Recorder()), skip=skip)


def inside(image: str, path: str) -> str:
    return run(["docker", "run", "--rm", "--network=none", image, "cat", path]).stdout


def test_services_are_built_side_by_side_and_then_from_the_cache(repository: Path) -> None:
    project = load(repository)
    recorder = Recorder()
    first = built(project, recorder)
    api, web = ([float(at) for at in inside(one.image.ref, "/times").split()] for one in first.built)
    assert api[0] < web[1], "web waited for api"
    assert web[0] < api[1], "api waited for web"
    assert sorted(recorder.ends()) == [("ok", "0 of 2 steps cached, 0 %"), ("ok", "0 of 3 steps cached, 0 %")]
    assert manifest.load(project, None) == first.manifest
    second = built(project, recorder)
    assert [(one.cached, one.steps) for one in second.built] == [(3, 3), (2, 2)]
    assert [one.image.image_id for one in second.built] == [one.image.image_id for one in first.built], "the same again"


def test_images_are_in_the_engine_under_their_name_and_id_with_labels_and_arguments(repository: Path) -> None:
    project = load(repository)
    api = built(project).manifest.image("api")
    assert api is not None
    assert (api.name, api.tag, api.digest) == (f"{project.project}-api", "1.0.0", None)
    with client() as engine:
        found = engine.images.get(api.ref)
        assert found.id == api.image_id
        assert found.labels["org.opencontainers.image.title"] == f"{project.project}-api"
        assert found.labels["org.opencontainers.image.version"] == "1.0.0"
    assert api.size is not None
    assert api.size > 10_000_000
    assert inside(api.image_id, "/greeting") == 'it is ${not} "interpolated" %{ at all }'
    assert inside(api.ref, "/version") == "1.0.0"


def test_a_failing_instruction_shows_its_line_and_last_words_and_leaves_no_manifest(repository: Path) -> None:
    file = repository / "docker" / "web.Dockerfile"
    file.write_text("FROM python:3.13-slim\n\nRUN echo first; echo the reason >&2; \\\n    exit 7\n")
    api = repository / "api" / "Dockerfile"
    api.write_text(api.read_text().replace(f"sleep {SLOW}", "sleep 60"))
    recorder = Recorder()
    project = load(repository)
    with pytest.raises(Failed) as caught:
        built(project, recorder)
    error = caught.value
    assert error.where == "docker/web.Dockerfile:3"
    assert error.what.startswith("the image of web did not build: RUN echo first; echo the reason >&2;")
    assert error.what.endswith("exit code: 7")
    assert "   3 | >>> RUN echo first; echo the reason >&2; \\" in error.details
    assert set(error.details[-2:]) == {"first", "the reason"}, "two streams: in any order"
    assert set(recorder.ends()) == {("failed", ""), ("interrupted", "stopped: web failed")}
    with pytest.raises(UsageError, match="nothing has been built yet"):
        manifest.load(project, None)


@pytest.mark.parametrize(
    ("dockerfile", "where", "what"),
    [
        ("FROM python:3.13-slim AS final\nRUM true\n", "api/Dockerfile:2", "unknown instruction: RUM"),
        ("FROM python:3.13-slim AS final\n\nCOPY nowhere /x\n", "api/Dockerfile:3", "nowhere"),
        ("FROM python:3.13-slim AS other\n", "api/Dockerfile", "final"),
    ],
)
def test_other_mistakes_in_a_dockerfile_name_the_place(
    repository: Path, dockerfile: str, where: str, what: str
) -> None:
    (repository / "api" / "Dockerfile").write_text(dockerfile)
    with pytest.raises(Failed) as caught:
        built(load(repository), services=["api"])
    assert caught.value.where == where
    assert what in "\n".join((caught.value.what, *caught.value.details))


def test_pushed_images_are_in_the_registry_under_the_digest_of_the_manifest(
    repository: Path, lab_registry: Registry
) -> None:
    name = load(repository).project
    write(repository, name, registry=f"{lab_registry.loopback}/acme")
    project = load(repository)
    result = built(project, push=True)
    for one in result.built:
        repository_name = f"acme/{project.project}-{one.image.service}"
        assert one.image.name == f"{lab_registry.loopback}/{repository_name}"
        assert one.image.digest is not None
        assert one.image.digest == registry_digest(lab_registry, repository_name, "1.0.0")
        assert one.image.ref == f"{one.image.name}:1.0.0@{one.image.digest}"
    if preflight(project.root).registry_cache:
        assert registry_digest(lab_registry, f"acme/{project.project}-api", "buildcache")
    again = built(project, push=True)
    assert [one.image.digest for one in again.built] == [one.image.digest for one in result.built]


def test_a_registry_that_is_not_there_fails_the_build(repository: Path) -> None:
    write(repository, load(repository).project, registry="127.0.0.1:1/acme")
    project = load(repository)
    with pytest.raises(Failed, match="the image of api could not be pushed: ") as caught:
        built(project, push=True, services=["api"])
    assert "127.0.0.1:1" in caught.value.what
    assert not manifest.folder(project).exists()


def registry_digest(registry: Registry, name: str, tag: str) -> str:
    url = f"http://{registry.loopback}/v2/{name}/manifests/{tag}"
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": MANIFEST_TYPES})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers["Docker-Content-Digest"])


def inv(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )


def test_the_command_prints_a_table_or_one_json_document(repository: Path) -> None:
    process = inv(repository, "build", "--version=1.0.0")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "service  image" in out
    assert "not pushed" in out
    process = inv(repository, "build", "--version=1.0.0", "--service=api", "--no-skip", "--format=json")
    out, _ = process.communicate(timeout=120)
    document = json.loads(out)
    assert [image["service"] for image in document["result"]["images"]] == ["api"]
    assert document["result"]["images"][0]["cached_steps"] == 3
    process = inv(repository, "build", "--version=1.0.0", "--plan")
    out, _ = process.communicate(timeout=120)
    assert out.startswith("+ api  ")


def test_without_a_commit_the_version_says_so(repository: Path) -> None:
    process = inv(repository, "build")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    images = manifest.load(load(repository), UNCOMMITTED).images
    assert {image.service for image in images} == {"api", "web"}


def test_ctrl_c_ends_the_build_and_leaves_no_manifest(repository: Path) -> None:
    file = repository / "api" / "Dockerfile"
    unique = f"sleep 60.{secrets.randbelow(10**9)}"
    file.write_text(file.read_text().replace(f"sleep {SLOW}", unique))
    process = inv(repository, "build", "--version=1.0.0")
    until = time.monotonic() + 20
    while f"\n{unique}" not in processes() and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert not manifest.folder(load(repository)).exists()
    assert f"\n{unique}" not in processes()


def processes() -> str:
    return "\n" + run(["ps", "-A", "-ww", "-o", "args="]).stdout
