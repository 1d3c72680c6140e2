"""Which cache BuildKit reads and writes for an image, and why: chosen purely; and the care for the one in a folder.

A cache belongs to one project, service and platform: with a name for all, the image that is built last would throw
away what the others kept. It is read from the branch, then the default branch, then the last release, and written
for the branch (or release) that is built.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from shiptasks.build.builder import Capabilities
from shiptasks.build.cachenames import image_tag, of_branch, of_release, scope_of
from shiptasks.build.entry import entry
from shiptasks.build.sections import BuildCache, CacheKind
from shiptasks.errors import Refused, UsageError

FOLDER = Path(".shiptasks/cache/buildkit")
"""Where caches of kind `local` are, relative to pyproject.toml."""
KEPT = 8
"""Branches and releases whose cache stays in the folder, for each scope."""
GHA_SINCE = (0, 21)
"""Version of buildx that knows the cache service that GitHub runs today."""

_NOTHING = "nothing was built"
_KEY = "pyproject.toml [tool.shiptasks.build] cache"
_ALL = "all"  # the one cache where no branches are known
_TOKENS = ("ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL")


@dataclass(frozen=True)
class Cache:
    """What an image reads its cache from, in this order, and where it writes it to: entries as buildx reads them.

    `why` is for people. `folder` is where a `local` cache ends up, relative to pyproject.toml: BuildKit writes beside
    it, see `rotate`.
    """

    kind: CacheKind
    imports: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    why: str = ""
    folder: Path | None = None


@dataclass(frozen=True)
class _Names:
    """What caches are called: the scope, and in it the lines to read, best first, and the one to write."""

    scope: str
    reads: tuple[str, ...]
    writes: str


def choose(
    settings: BuildCache,
    *,
    event_branch: str,
    default_branch: str,
    last_release: str,
    project: str,
    service: str,
    platform: str,
    image: str,
    push: bool,
    environ: Mapping[str, str],
    builder: Capabilities,
    release: str = "",
) -> Cache:
    """The cache for the image of a service on a platform.

    `event_branch` is the branch that is built, `release` the version where a release is built instead; `last_release`
    is the one before. `image` is the image's repository without tag; `platform` may be empty for the builder's own.
    A cache in a registry or a bucket is written only where images are pushed, else it is only read.

    Raises UsageError for a cache of GitHub where there is no token for it, and Refused for one that the builder
    cannot write.
    """
    names = _names(
        scope_of(project, service, platform or builder.native or "native"),
        reads=(of_branch(event_branch), of_branch(default_branch), of_release(last_release)),
        writes=of_branch(event_branch) or of_release(release),
    )
    tags = (event_branch, default_branch, last_release)
    if settings.type == "auto":
        return _auto(settings, names, tags, image, push, environ, builder)
    _check(settings.type, environ, builder)
    why = "as configured"
    if settings.type == "none":
        return Cache("none", why=why)
    if settings.type == "inline":
        return _inline(image, tags, push, why)
    return _cache(settings, settings.type, names, image, push, why)


def present(cache: Cache, root: Path) -> Cache:
    """The cache without folders to read that are not there: BuildKit would warn of each."""
    if cache.kind != "local":
        return cache
    there = tuple(one for one in cache.imports if (root / _folder_of(one) / "index.json").is_file())
    return replace(cache, imports=there)


def rotate(cache: Cache, root: Path, *, ok: bool) -> None:
    """Put what BuildKit wrote into a `local` cache in the place of what was there, or with `ok` false throw it away.

    BuildKit only ever adds to a folder. So it writes into a new one, and what no longer belongs to the cache goes
    with the old one. Of a scope the `KEPT` caches that were written last stay.
    """
    if cache.folder is None or not cache.exports:
        return
    folder = root / cache.folder
    written, old = _beside(folder, "new"), _beside(folder, "old")
    if ok and (written / "index.json").is_file():
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            folder.rename(old)
        with suppress(OSError):  # of two builds at once, one may be too late
            written.rename(folder)
            folder.touch()
    for rest in (written, old):
        shutil.rmtree(rest, ignore_errors=True)
    _forget_oldest(folder.parent)


def _auto(
    settings: BuildCache,
    names: _Names,
    tags: tuple[str, ...],
    image: str,
    push: bool,
    environ: Mapping[str, str],
    builder: Capabilities,
) -> Cache:
    if push and builder.cache_export:
        return _cache(settings, "registry", names, image, push, "auto: images are pushed, so is their cache")
    if push:
        why = "auto: images are pushed, and the engine's own builder can write no other without the containerd store"
        return _inline(image, tags, push, why)
    no_token = _without_token(environ)
    if not no_token and builder.cache_export and builder.buildx >= GHA_SINCE:
        return _cache(settings, "gha", names, image, push, "auto: nothing is pushed, and GitHub's cache answers here")
    reason = "auto: nothing is pushed"
    if environ.get("GITHUB_ACTIONS") == "true" and no_token:
        reason += f", and GitHub gave no {no_token} to this step"
    if environ.get("CI", "").lower() not in ("", "0", "false") and builder.cache_export:
        why = f"{reason}; {FOLDER} may be kept between jobs"
        return _cache(settings, "local", names, image, push, why)
    # What the builder keeps itself is on this machine: a copy of all layers in a folder would only cost time.
    return Cache("local", why=f"{reason}; the builder keeps its own cache")


def _check(kind: CacheKind, environ: Mapping[str, str], builder: Capabilities) -> None:
    """Raises UsageError or Refused for a cache that was asked for and would do nothing."""
    if kind == "gha" and (name := _without_token(environ)):
        raise UsageError(
            f"the cache of GitHub would do nothing here: {name} is not set",
            where=_KEY,
            now=_NOTHING,
            hint="in a workflow: GitHub gives its token only to actions, so hand it on before this step "
            '(crazy-max/ghaction-github-runtime); elsewhere: cache = "auto", or SHIPTASKS_BUILD_CACHE_TYPE=local',
        )
    if kind == "gha" and builder.buildx < GHA_SINCE:
        raise Refused(
            f"buildx {_version(builder.buildx)} cannot use the cache of GitHub: {_version(GHA_SINCE)} or later can",
            where=_KEY,
            now=_NOTHING,
            hint='update buildx, or cache = "registry"',
        )
    if kind in ("registry", "gha", "local") and not builder.cache_export:
        raise Refused(
            f"the builder {builder.name} cannot write a cache of kind {kind}",
            where=_KEY,
            now=_NOTHING,
            hint="turn on the containerd image store of the engine, or docker buildx create --name=builder "
            '--driver=docker-container and builder = "builder", or cache = "inline"',
        )
    if kind in ("s3", "azblob") and builder.driver == "docker":
        raise Refused(
            f"the engine's own builder cannot use a cache of kind {kind}",
            where=_KEY,
            now=_NOTHING,
            hint='docker buildx create --name=builder --driver=docker-container, and builder = "builder"',
        )


def _cache(settings: BuildCache, kind: CacheKind, names: _Names, image: str, push: bool, why: str) -> Cache:
    how: dict[str, str | bool] = {"mode": settings.mode, "ignore-error": True}
    if kind == "gha":
        # GitHub keeps the caches of branches apart itself, and lets each read that of the default branch.
        one = entry(kind, scope=names.scope)
        return Cache(kind, (one,), (entry(kind, scope=names.scope, **how),), why)
    if kind == "local":
        place = FOLDER / names.scope
        reads = tuple(entry(kind, src=(place / line).as_posix()) for line in names.reads)
        if not names.writes:
            return Cache(kind, reads, (), f"{why}; only read: neither branch nor release is built")
        folder = place / names.writes
        return Cache(kind, reads, (entry(kind, dest=_beside(folder, "new").as_posix(), **how),), why, folder)
    lines = (*names.reads, names.writes)
    fixed: dict[str, dict[str, str | bool]]
    if kind == "registry":
        repository = settings.ref or image
        fixed = {line: {"ref": f"{repository}:cache-{names.scope}.{line}"} for line in lines}
    else:
        fixed = {line: _store(settings, f"{names.scope}.{line}") for line in lines}
    reads = tuple(entry(kind, **fixed[line]) for line in names.reads)
    if not push:
        return Cache(kind, reads, (), f"{why}; only read: nothing is pushed")
    if not names.writes:
        return Cache(kind, reads, (), f"{why}; only read: neither branch nor release is built")
    return Cache(kind, reads, (entry(kind, **fixed[names.writes], **how),), why)


def _store(settings: BuildCache, name: str) -> dict[str, str | bool]:
    """Attributes of a bucket. Credentials are not among them: buildx and BuildKit have them from the environment."""
    if settings.type == "azblob":
        return {
            "name": name,
            "account_url": settings.account_url,
            "container": settings.bucket,
            "prefix": settings.prefix,
        }
    return {
        "name": name,
        "bucket": settings.bucket,
        "region": settings.region,
        "endpoint_url": settings.endpoint_url,
        "use_path_style": settings.use_path_style,
        "prefix": settings.prefix,
    }


def _inline(image: str, lines: tuple[str, ...], push: bool, why: str) -> Cache:
    """The cache inside of the image: read from the images that the branch, its default and the release were tagged."""
    tags = dict.fromkeys(tag for line in lines if (tag := image_tag(line)))
    reads = tuple(entry("registry", ref=f"{image}:{tag}") for tag in tags)
    if not push:
        return Cache("inline", reads, (), f"{why}; only read: it is a part of an image that is pushed")
    return Cache("inline", reads, ("type=inline",), why)


def _without_token(environ: Mapping[str, str]) -> str:
    """The first variable that GitHub's cache needs and that is not set; empty when all are."""
    return next((name for name in _TOKENS if not environ.get(name)), "")


def _names(scope: str, reads: tuple[str, ...], writes: str) -> _Names:
    if not any(reads) and not writes:  # there is no git
        return _Names(scope, (_ALL,), _ALL)
    return _Names(scope, tuple(dict.fromkeys(line for line in reads if line)), writes)


def _version(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _beside(folder: Path, what: str) -> Path:
    # No slug begins with a dot.
    return folder.with_name(f".{what}.{folder.name}")


def _folder_of(one: str) -> str:
    return one.partition("src=")[2]


def _forget_oldest(place: Path) -> None:
    with suppress(OSError):
        kept = [folder for folder in place.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
        kept.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in kept[KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)
