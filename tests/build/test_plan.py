from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiptasks.build.plan import check_sources, plan
from shiptasks.config.model import Project
from shiptasks.errors import UsageError
from tests.build.sample import make_project, write_sources

needs_buildx = pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode != 0,
    reason="docker with the buildx plugin is not installed",
)


def bake_print(bake: dict[str, object], folder: Path) -> dict[str, dict[str, object]]:
    """What bake makes of the file: needs no engine."""
    file = folder / "docker-bake.json"
    file.write_text(json.dumps(bake))
    done = subprocess.run(["docker", "buildx", "bake", "-f", str(file), "--print"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    printed: dict[str, dict[str, object]] = json.loads(done.stdout)["target"]
    return printed


def test_a_target_a_service_with_tag_labels_and_version(tmp_path: Path) -> None:
    project = make_project(tmp_path, registry="ghcr.io/acme")
    made = plan(project, "1.0.0", "f" * 40, created="2026-01-02T03:04:05Z", source="https://example.com/shop")
    api, web = made.targets
    assert made.bake()["group"] == {"default": {"targets": ["api", "web"]}}
    assert api.bake() == {
        "context": str(tmp_path / "api"),
        "dockerfile": str(tmp_path / "api" / "Dockerfile"),
        "args": {"VERSION": "1.0.0"},
        "labels": {
            "org.opencontainers.image.title": "shop-api",
            "org.opencontainers.image.version": "1.0.0",
            "org.opencontainers.image.revision": "f" * 40,
            "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
            "org.opencontainers.image.source": "https://example.com/shop",
        },
        "tags": ["ghcr.io/acme/shop-api:1.0.0"],
        "output": ["type=docker"],
    }
    assert web.dockerfile == tmp_path / "docker" / "web.Dockerfile"


def test_unknown_facts_are_no_labels(tmp_path: Path) -> None:
    labels = plan(make_project(tmp_path), "1.0.0", "").targets[0].labels
    assert set(labels) == {"org.opencontainers.image.title", "org.opencontainers.image.version"}


def test_push_goes_to_the_registry_and_caches_there_if_the_builder_can(tmp_path: Path) -> None:
    project = make_project(tmp_path, registry="ghcr.io/acme")
    pushed = plan(project, "1.0.0", "", push=True, registry_cache=True).targets[0]
    assert pushed.output == "type=docker"
    assert pushed.cache_from == ("type=registry,ref=ghcr.io/acme/shop-api:buildcache",)
    assert pushed.cache_to == ("type=registry,ref=ghcr.io/acme/shop-api:buildcache,mode=max,ignore-error=true",)
    assert plan(project, "1.0.0", "", push=True).targets[0].cache_to == ()
    assert plan(project, "1.0.0", "", registry_cache=True).targets[0].cache_to == ()


def test_the_plan_tells_what_it_will_do(tmp_path: Path) -> None:
    services = {"api": {"context": "api"}, "worker": {"context": "api", "target": "worker"}}
    assert plan(make_project(tmp_path, services=services), "1.0.0", "").lines() == (
        "+ api     shop-api:1.0.0     from api/Dockerfile",
        "+ worker  shop-worker:1.0.0  from api/Dockerfile stage worker",
        "2 to build, side by side, kept in the local engine",
    )


def test_only_the_services_asked_for_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    made = plan(make_project(tmp_path), "1.0.0", "", services=["web", "api", "web"])
    assert [target.service for target in made.targets] == ["api", "web"]
    assert [t.service for t in plan(make_project(tmp_path), "1.0.0", "", services=["web"]).targets] == ["web"]


@pytest.mark.parametrize(
    ("keys", "arguments", "what", "hint"),
    [
        ({}, {"version": "1.0+x"}, "'1.0+x' is not a version", "inv build --version=1.0.0"),
        ({}, {"version": ""}, "'' is not a version", "inv build --version=1.0.0"),
        ({}, {"services": ["wep"]}, "no service `wep`", "did you mean `--service=web`? The services are: api, web"),
        ({}, {"services": ["zzz"]}, "no service `zzz`", "The services are: api, web"),
        ({}, {"services": []}, "which service? none was given", "add --service=api; the services are: api, web"),
        ({"services": {}}, {}, "nothing to build", "add a service: [tool.shiptasks.services.api]"),
        ({}, {"push": True}, "no registry", 'add registry = "ghcr.io/acme", or build without --push'),
        (
            {"services": {"api": {"args": {"VERSION": "9"}}}},
            {},
            "VERSION is always",
            "remove VERSION there, or give it another name",
        ),
    ],
)
def test_refusals(tmp_path: Path, keys: dict[str, object], arguments: dict[str, object], what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(make_project(tmp_path, **keys), **{"version": "1.0.0", "revision": "", **arguments})  # type: ignore[arg-type]
    assert what in caught.value.what
    assert caught.value.hint == hint
    assert caught.value.now in ("nothing was built", "nothing was run")


def test_all_missing_paths_are_named_at_once_with_their_keys(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    with pytest.raises(UsageError) as caught:
        check_sources(project, plan(project, "1.0.0", ""))
    assert caught.value.what == "4 paths to build from not found"
    assert caught.value.details == (
        'services.api.context: there is no folder "api"',
        'services.api.context: there is no file "api/Dockerfile"',
        'services.web.context: there is no folder "web"',
        'services.web.dockerfile: there is no file "docker/web.Dockerfile"',
    )


def test_paths_that_exist_are_accepted(tmp_path: Path) -> None:
    write_sources(tmp_path)
    project = make_project(tmp_path)
    check_sources(project, plan(project, "1.0.0", ""))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
dollars = st.text('${}%"\\ a.', max_size=12)
keys = st.from_regex(r"[A-Z_][A-Z0-9_]{0,10}", fullmatch=True).filter(lambda key: key != "VERSION")


@needs_buildx
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    args=st.dictionaries(keys, texts | dollars, max_size=4),
    stage=st.none() | st.from_regex("[a-z]{1,8}", fullmatch=True),
)
def test_bake_reads_exactly_what_was_meant(tmp_path: Path, args: dict[str, str], stage: str | None) -> None:
    service: dict[str, object] = {"context": "api", "args": args}
    if stage is not None:
        service["target"] = stage
    made = plan(
        make_project(tmp_path, services={"api": service}), "1.0.0", "f" * 40, created="2026", source=args.get("A", "")
    )
    target = made.targets[0]
    printed = bake_print(made.bake(), tmp_path)["api"]
    assert printed["args"] == {**args, "VERSION": "1.0.0"}
    assert printed["labels"] == dict(target.labels)
    assert printed["tags"] == [target.tag]
    assert printed["context"] == str(target.context)
    assert printed["dockerfile"] == str(target.dockerfile)
    assert printed.get("target") == stage


@needs_buildx
def test_a_service_called_default_is_still_one_target_of_several(tmp_path: Path) -> None:
    services = {"api": {"context": "api"}, "default": {"context": "web"}, "web": {"context": "web"}}
    made = plan(make_project(tmp_path, services=services), "1.0.0", "")
    assert set(bake_print(made.bake(), tmp_path)) == set(services)


def test_a_plan_is_a_pure_function(tmp_path: Path) -> None:
    project: Project = make_project(tmp_path)
    assert plan(project, "1.0.0", "x") == plan(project, "1.0.0", "x")
    assert list(tmp_path.iterdir()) == []
