"""Which cache is chosen, with which names, and what is said of one that would do nothing."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shiptasks.build.builder import Capabilities
from shiptasks.build.cache import KEPT, Cache, choose, present, rotate
from shiptasks.build.cachenames import scope_of, slug
from shiptasks.build.entry import entry
from shiptasks.build.sections import BuildCache
from shiptasks.errors import Refused, UsageError

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
TOKEN = {"GITHUB_ACTIONS": "true", "CI": "true", "ACTIONS_RUNTIME_TOKEN": "t", "ACTIONS_RESULTS_URL": "https://x/"}
STORE = Capabilities("default", "docker", True, ("linux/amd64",), "v0.13", (0, 21))
PLAIN = Capabilities("default", "docker", False, ("linux/amd64",), "v0.13", (0, 21))
CONTAINER = Capabilities("ours", "docker-container", False, ("linux/amd64",), "v0.13", (0, 21))
IMAGE = "ghcr.io/acme/shop-api"
REF = f"{IMAGE}:cache-shop-api-linux-amd64"
names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)


def chosen(settings: Any = "auto", **changes: Any) -> Cache:
    arguments: dict[str, Any] = {
        "event_branch": "feature/x",
        "default_branch": "main",
        "last_release": "1.4.1",
        "project": "shop",
        "service": "api",
        "platform": "linux/amd64",
        "image": IMAGE,
        "push": True,
        "environ": {},
        "builder": STORE,
        **changes,
    }
    return choose(BuildCache.model_validate(settings), **arguments)


def test_auto_takes_the_registry_when_images_are_pushed() -> None:
    cache = chosen()
    branch = slug("feature/x")
    assert cache == Cache(
        "registry",
        (
            f"type=registry,ref={REF}.branch.{branch}",
            f"type=registry,ref={REF}.branch.main",
            f"type=registry,ref={REF}.release.1.4.1",
        ),
        (f"type=registry,ref={REF}.branch.{branch},mode=max,ignore-error=true",),
        "auto: images are pushed, so is their cache",
    )


def test_auto_with_the_engines_builder_without_the_containerd_store() -> None:
    cache = chosen(builder=PLAIN)
    assert (cache.kind, cache.exports) == ("inline", ("type=inline",))
    assert cache.imports == tuple(f"type=registry,ref={IMAGE}:{tag}" for tag in ("feature-x", "main", "1.4.1"))
    assert cache.why.endswith("can write no other without the containerd store")


@pytest.mark.parametrize(
    ("environ", "builder", "kind", "why"),
    [
        (TOKEN, STORE, "gha", "auto: nothing is pushed, and GitHub's cache answers here"),
        (TOKEN, CONTAINER, "gha", "auto: nothing is pushed, and GitHub's cache answers here"),
        ({}, STORE, "local", "auto: nothing is pushed; the builder keeps its own cache"),
        ({"CI": "false"}, STORE, "local", "auto: nothing is pushed; the builder keeps its own cache"),
        (TOKEN, PLAIN, "local", "auto: nothing is pushed; the builder keeps its own cache"),
        (
            {"CI": "true"},
            STORE,
            "local",
            "auto: nothing is pushed; .shiptasks/cache/buildkit may be kept between jobs",
        ),
        (
            {**TOKEN, "ACTIONS_RUNTIME_TOKEN": ""},
            STORE,
            "local",
            "auto: nothing is pushed, and GitHub gave no ACTIONS_RUNTIME_TOKEN to this step; "
            ".shiptasks/cache/buildkit may be kept between jobs",
        ),
        (
            {**TOKEN, "ACTIONS_RESULTS_URL": ""},
            PLAIN,
            "local",
            "auto: nothing is pushed, and GitHub gave no ACTIONS_RESULTS_URL to this step; "
            "the builder keeps its own cache",
        ),
    ],
)
def test_auto_when_nothing_is_pushed(environ: dict[str, str], builder: Capabilities, kind: str, why: str) -> None:
    cache = chosen(push=False, environ=environ, builder=builder)
    assert (cache.kind, cache.why) == (kind, why)


def test_nothing_is_copied_into_a_folder_where_the_builder_stays() -> None:
    cache = chosen(push=False)
    assert (cache.imports, cache.exports, cache.folder) == ((), (), None)


def test_githubs_cache_has_a_scope_of_its_own_and_leaves_branches_to_github() -> None:
    cache = chosen("gha", environ=TOKEN)
    assert cache.imports == ("type=gha,scope=shop-api-linux-amd64",)
    assert cache.exports == ("type=gha,scope=shop-api-linux-amd64,mode=max,ignore-error=true",)


@pytest.mark.parametrize("name", ["ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL"])
def test_a_cache_of_github_that_would_do_nothing_is_an_error(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen("gha", environ={**TOKEN, name: ""})
    assert caught.value.what == f"the cache of GitHub would do nothing here: {name} is not set"
    assert caught.value.where == "pyproject.toml [tool.shiptasks.build] cache"
    assert "crazy-max/ghaction-github-runtime" in caught.value.hint
    assert "SHIPTASKS_BUILD_CACHE_TYPE=local" in caught.value.hint


def test_a_buildx_that_only_knows_githubs_old_cache() -> None:
    old = Capabilities("default", "docker", True, buildx=(0, 13))
    with pytest.raises(Refused, match=r"buildx 0\.13 cannot use the cache of GitHub: 0\.21 or later can"):
        chosen("gha", environ=TOKEN, builder=old)
    assert chosen(push=False, environ=TOKEN, builder=old).kind == "local"


# FACTS of BuildKit: who can write which kind. The engine's own builder, the same with the containerd store, others.
S3 = {"type": "s3", "bucket": "shop-cache", "region": "eu-west-1"}
AZURE = {"type": "azblob", "bucket": "cache", "account-url": "https://shop.blob.core.windows.net"}


@pytest.mark.parametrize(
    ("settings", "plain", "store", "container"),
    [
        ("inline", True, True, True),
        ("none", True, True, True),
        ("registry", False, True, True),
        ("local", False, True, True),
        ("gha", False, True, True),
        (S3, False, False, True),
        (AZURE, False, False, True),
    ],
)
def test_what_a_builder_cannot_write_is_refused(settings: Any, plain: bool, store: bool, container: bool) -> None:
    for builder, possible in ((PLAIN, plain), (STORE, store), (CONTAINER, container)):
        kind = settings if isinstance(settings, str) else settings["type"]
        if possible:
            assert chosen(settings, builder=builder, environ=TOKEN).kind == kind
            continue
        with pytest.raises(Refused, match=f"cannot .* a cache of kind {kind}") as caught:
            chosen(settings, builder=builder, environ=TOKEN)
        assert "docker buildx create --name=builder --driver=docker-container" in caught.value.hint
        assert caught.value.now == "nothing was built"


@pytest.mark.parametrize("settings", ["registry", "inline", S3, AZURE])
def test_without_a_push_nothing_is_written_elsewhere(settings: Any) -> None:
    cache = chosen(settings, push=False, builder=CONTAINER)
    assert cache.exports == ()
    assert len(cache.imports) == 3
    assert "; only read: " in cache.why


def test_a_detached_head_only_reads() -> None:
    cache = chosen("registry", event_branch="")
    assert cache.imports == (f"type=registry,ref={REF}.branch.main", f"type=registry,ref={REF}.release.1.4.1")
    assert cache.exports == ()
    assert cache.why == "as configured; only read: neither branch nor release is built"


def test_without_git_there_is_one_cache() -> None:
    cache = chosen("registry", event_branch="", default_branch="", last_release="")
    assert cache.imports == (f"type=registry,ref={REF}.all",)
    assert cache.exports == (f"type=registry,ref={REF}.all,mode=max,ignore-error=true",)


def test_a_release_writes_what_the_next_one_reads() -> None:
    (written,) = chosen("registry", event_branch="", release="1.4.2").exports
    assert f"{REF}.release.1.4.2," in written
    assert f"type=registry,ref={REF}.release.1.4.2" in chosen("registry", last_release="1.4.2").imports


def test_the_default_branch_is_read_once() -> None:
    assert len(chosen("registry", event_branch="main", last_release="").imports) == 1


def test_a_repository_for_caches_alone() -> None:
    cache = chosen({"type": "registry", "ref": "ghcr.io/acme/cache", "mode": "min"}, event_branch="main")
    assert cache.exports == (
        "type=registry,ref=ghcr.io/acme/cache:cache-shop-api-linux-amd64.branch.main,mode=min,ignore-error=true",
    )


def test_buckets_get_what_is_configured_and_no_credentials() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "very-secret"}
    settings = {**S3, "endpoint-url": "https://minio.example.com", "use-path-style": True, "prefix": "shop/"}
    cache = chosen(settings, builder=CONTAINER, event_branch="main", last_release="", environ=environ)
    assert cache.exports == (
        "type=s3,name=shop-api-linux-amd64.branch.main,bucket=shop-cache,region=eu-west-1,"
        "endpoint_url=https://minio.example.com,use_path_style=true,prefix=shop/,mode=max,ignore-error=true",
    )
    azure = chosen(AZURE, builder=CONTAINER, event_branch="main", last_release="")
    assert azure.imports == (
        "type=azblob,name=shop-api-linux-amd64.branch.main,"
        "account_url=https://shop.blob.core.windows.net,container=cache",
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"type": "s3", "bucket": "b"}, "a cache of kind s3 needs `region`"),
        ({"type": "s3"}, "a cache of kind s3 needs `bucket` and `region`"),
        ({"type": "azblob", "bucket": "b"}, "a cache of kind azblob needs `account-url`"),
        ({**S3, "secret-access-key": "hunter22"}, "credentials of a cache come from the environment"),
        ({**AZURE, "account-url": "https://x.example.com/?sig=hunter22"}, "must not hold a signature"),
        ({"type": "registry", "ref": "ghcr.io/acme/cache:tag"}, "without a tag"),
        ({"type": "registry", "ref": "me:hunter22@ghcr.io/acme"}, "must not hold credentials"),
        ("github", "Input should be 'auto', 'registry'"),
    ],
)
def test_wrong_settings(settings: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        BuildCache.model_validate(settings)


def test_a_builder_that_is_still_to_be_made_has_no_platform_yet() -> None:
    unknown = Capabilities("farm", "docker-container", buildx=(0, 21))
    (written,) = chosen("registry", platform="", builder=unknown, event_branch="main").exports
    assert ":cache-shop-api-native.branch.main," in written


def test_scopes_are_plain_where_they_can_be() -> None:
    assert scope_of("shop", "api", "linux/amd64") == "shop-api-linux-amd64"
    assert scope_of("shop", "api", "linux/arm64/v8") == "shop-api-linux-arm64-v8"
    assert scope_of("a-b", "c", "linux/amd64") != scope_of("a", "b-c", "linux/amd64")


@given(st.tuples(names, names), st.tuples(names, names), st.sampled_from(["linux/amd64", "linux/arm/v7", ""]))
def test_scopes_never_meet(one: tuple[str, str], other: tuple[str, str], platform: str) -> None:
    assert (scope_of(*one, platform) == scope_of(*other, platform)) == (one == other)


@given(names, names, st.text(max_size=400), st.text(max_size=300))
def test_registry_references_are_legal_tags(project: str, service: str, branch: str, release: str) -> None:
    cache = chosen("registry", project=project, service=service, event_branch=branch, release=release)
    for one in (*cache.imports, *cache.exports):
        (fields,) = csv.reader([one])
        ref = next(field for field in fields if field.startswith("ref="))
        assert TAG.fullmatch(ref.rpartition(":")[2]), ref


@given(st.text(max_size=60), st.text(max_size=60))
def test_branches_that_look_alike_are_told_apart(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (one == other)


@pytest.mark.parametrize("branch", ["Main", "feature/x", "feature-x", "v1`id`", "a" * 300, "ünï", "x-0123456789", "-"])
def test_slugs(branch: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,29}", slug(branch))
    assert slug(slug(branch)) != slug(branch) or slug(branch) == branch  # nobody takes the name of another's slug


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\0"), max_size=40))
def test_an_entry_is_read_as_it_was_meant(value: str) -> None:
    (fields,) = csv.reader([entry("local", dest=value)])
    assert fields == ["type=local", *([f"dest={value}"] if value else [])]


# --- the cache in a folder -------------------------------------------------------------------------------------------


def write_cache(folder: Path, content: str) -> None:
    folder.mkdir(parents=True)
    (folder / "index.json").write_text(content)
    (folder / "blob").write_text(content)


def local(branch: str = "main") -> Cache:
    return chosen("local", event_branch=branch, last_release="")


def target(cache: Cache, root: Path) -> Path:
    return root / cache.exports[0].partition("dest=")[2].partition(",")[0]


def test_a_local_cache_is_written_beside_and_then_takes_its_place(tmp_path: Path) -> None:
    cache = local()
    assert cache.folder == Path(".shiptasks/cache/buildkit/shop-api-linux-amd64/branch.main")
    write_cache(tmp_path / cache.folder, "old")
    (tmp_path / cache.folder / "grown").write_text("nobody needs it any more")
    write_cache(target(cache, tmp_path), "new")
    rotate(cache, tmp_path, ok=True)
    assert sorted(path.name for path in (tmp_path / cache.folder).iterdir()) == ["blob", "index.json"]
    assert (tmp_path / cache.folder / "index.json").read_text() == "new"
    assert [path.name for path in (tmp_path / cache.folder).parent.iterdir()] == ["branch.main"]


@pytest.mark.parametrize("ok", [True, False])
def test_a_failed_or_half_written_cache_changes_nothing(tmp_path: Path, ok: bool) -> None:
    cache = local()
    assert cache.folder is not None
    write_cache(tmp_path / cache.folder, "old")
    write_cache(target(cache, tmp_path), "half")
    if ok:
        (target(cache, tmp_path) / "index.json").unlink()
    rotate(cache, tmp_path, ok=ok)
    assert (tmp_path / cache.folder / "index.json").read_text() == "old"
    assert not target(cache, tmp_path).exists()


def test_rotating_when_nothing_was_written(tmp_path: Path) -> None:
    rotate(local(), tmp_path, ok=True)
    rotate(chosen("none"), tmp_path, ok=True)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_does_not_grow_for_ever(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        cache = local(f"b{number}")
        write_cache(target(cache, tmp_path), str(number))
        rotate(cache, tmp_path, ok=True)
        os.utime(tmp_path / str(cache.folder), (number, number))
    left = sorted(path.name for path in (tmp_path / str(cache.folder)).parent.iterdir())
    assert left == sorted(f"branch.b{number}" for number in range(3, KEPT + 3))


def test_folders_that_are_not_there_are_not_read(tmp_path: Path) -> None:
    cache = local("feature")
    assert len(cache.imports) == 2
    assert present(cache, tmp_path).imports == ()
    write_cache(tmp_path / ".shiptasks/cache/buildkit/shop-api-linux-amd64/branch.main", "x")
    assert present(cache, tmp_path).imports == cache.imports[1:]
    assert present(chosen("registry"), tmp_path) == chosen("registry")
