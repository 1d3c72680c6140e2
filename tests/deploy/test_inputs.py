from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shiptasks.build.manifest import BuiltImage, Manifest
from shiptasks.config.model import Project
from shiptasks.deploy import inputs
from shiptasks.deploy.on_host import Names
from shiptasks.deploy.release import Release
from shiptasks.errors import UsageError
from shiptasks.run.secrets import Secrets
from tests.deploy import sample

DIGEST = "sha256:" + "d" * 64


def built(*services: str, pushed: bool = False) -> Manifest:
    images = [
        BuiltImage(name, f"r.example/shop-{name}", "1.1.0", f"sha256:{name}", DIGEST if pushed else None)
        for name in services
    ]
    return Manifest("shop", "1.1.0", "abc", "2026-11-21T17:00:00Z", tuple(images))


def made(
    shop: Project | None = None, manifest: Manifest | None = None, env: bytes = b"A=1\n", **services: Any
) -> Release:
    shop = shop or sample.project()
    given = manifest or built("api", "worker")
    names = Names("r-1.1.0", "1.1.0", "ada@laptop")
    return inputs.release_of(shop, sample.model(shop, **services), given, env, sample.NOW, names)


def test_an_image_that_was_not_pushed_is_pinned_by_its_id_on_this_machine() -> None:
    assert made().images["api"].ref == "sha256:api"


def test_an_image_that_was_pushed_is_pinned_by_its_digest() -> None:
    image = made(manifest=built("api", "worker", pushed=True)).images["api"]
    assert (image.ref, image.image_id) == (f"r.example/shop-api:1.1.0@{DIGEST}", "")


def test_other_hosts_need_a_push() -> None:
    shop = sample.project(environments={"local": {"hosts": ["deploy@staging.example.com"]}})
    with pytest.raises(UsageError) as caught:
        made(shop)
    assert caught.value.hint == "inv build --version=1.1.0 --push"
    assert caught.value.now == "nothing was changed"


def test_a_build_that_lacks_services_names_them() -> None:
    with pytest.raises(UsageError, match="no image of worker") as caught:
        made(manifest=built("api"))
    assert caught.value.hint == "inv build --version=1.1.0"


def test_the_fingerprint_changes_with_whatever_would_run_differently() -> None:
    same = made()
    assert made().fingerprint == same.fingerprint
    services = {**sample.project().model_dump(by_alias=True, mode="json")["services"]}
    more = {**services, "api": {**services["api"], "replicas": 3}}
    others = [
        made(env=b"A=2\n"),
        made(manifest=built("api", "worker", pushed=True)),
        made(sample.project(services=more)),
        made(sample.project(proxy={"port": 8081})),
    ]
    assert len({same.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_a_release_brings_its_services_back() -> None:
    shop = sample.project()
    release = made(shop)
    now = sample.project(services={"api": {"port": 9000, "health": "/", "routes": ["/new"]}})
    assert inputs.as_configured(now, release).services == shop.services


def test_only_values_whose_names_look_secret_are_masked(tmp_path: Path) -> None:
    shop = sample.project(environments={"local": {"env-file": ".env"}}).located(tmp_path, "local")
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD='hunter22'\nexport API_TOKEN=tok-12345\nPOSTGRES_USER=shop\n")
    secrets = Secrets()
    inputs.environment_file(shop, secrets)
    assert secrets.mask("hunter22 tok-12345 shop-api-1") == "*** *** shop-api-1"


@pytest.mark.parametrize(
    ("template", "hint"),
    [(".env.template", "inv env.create --env=local"), ("", "write .env")],
)
def test_an_environment_file_that_is_missing(tmp_path: Path, template: str, hint: str) -> None:
    shop = sample.project(environments={"local": {"env-file": ".env"}}).located(tmp_path, "local")
    if template:
        (tmp_path / template).touch()
    with pytest.raises(UsageError) as caught:
        inputs.environment_file(shop, Secrets())
    assert (caught.value.what, caught.value.hint) == (
        "the environment file .env cannot be read: No such file or directory",
        hint,
    )
