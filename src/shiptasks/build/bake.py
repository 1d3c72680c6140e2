"""Builds what a plan says, as far as it has changed, and makes of it images in their places and a manifest."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shiptasks.build import engine as engines
from shiptasks.build import kept, policy, pullsize, tagging
from shiptasks.build import manifest as manifests
from shiptasks.build.baking import NOW, run_bake
from shiptasks.build.engine import Engine
from shiptasks.build.layers import unpacked
from shiptasks.build.manifest import BuiltImage, Manifest
from shiptasks.build.plan import BuildPlan, Target, check_sources
from shiptasks.build.progress import Tracker
from shiptasks.build.registry import registry_of
from shiptasks.build.tagging import Tagged
from shiptasks.config.model import Project
from shiptasks.errors import Failed, ShiptasksError
from shiptasks.run.events import Bus

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class Built:
    """The image of a service, and how it came about: wall time in seconds, instructions from the cache and in all."""

    image: BuiltImage
    seconds: float
    cached: int
    steps: int
    unchanged: bool = False
    """Whether it was not built, because nothing that it is made of has changed."""


@dataclass(frozen=True)
class BuildResult:
    """What a build made: `manifest` is as saved, `built` tells of the images of this run."""

    manifest: Manifest
    built: tuple[Built, ...]


def build(
    project: Project,
    plan: BuildPlan,
    engine: Engine,
    bus: Bus,
    *,
    builder: tuple[str, ...] = (),
    native: str = "",
    skip: bool = True,
    dirty: bool = False,
) -> BuildResult:
    """Build the targets of the plan side by side and save the manifest.

    A target whose inputs are those of its last image, which is still there, is not built again, unless `skip` is
    false. In a registry images get their tags when all of them are there. `builder` are arguments that name the
    builder, `native` is its own platform.

    Raises UsageError when a path of the plan is missing and Failed when an image does not build or cannot be pushed;
    no manifest is written then.
    """
    check_sources(project, plan)
    with engines.client() as api:
        before = kept.inputs_of(project, plan, engine, native)
        decided = kept.decide(project, plan, before, api, skip=skip)
        rest = replace(plan, targets=tuple(each for each in plan.targets if decided[each.service].image is None))
        rules = project.build.policy
        # What is not built has been looked at when it was; hadolint takes its time.
        policy.enforce(plan, rules.model_copy(update={"hadolint": rules.hadolint and bool(rest.targets)}), bus)
        tracker = Tracker(bus, [target.service for target in rest.targets], early=not plan.push)
        metadata = run_bake(rest, engine, tracker, builder) if rest.targets else {}
        after = kept.inputs_of(project, rest, engine, native) if rest.targets else {}
        built = []
        for target in plan.targets:
            last = decided[target.service].image
            if last is not None:
                built.append(_unchanged(project, plan, target, last, decided[target.service].why, api, bus))
                continue
            image = _image(project, plan, target, metadata.get(target.service) or {}, api)
            seconds, cached, steps = tracker.summary(target.service)
            own = before[target.service]
            # Changed while it was read: nobody knows which of the two the image is made of.
            settled = own.hash if own == after.get(target.service) else ""
            image = replace(
                image,
                inputs=settled,
                bases=own.bases,
                seconds=round(seconds, 3),
                cached=cached,
                steps=steps,
            )
            if settled:
                kept.remember(project, target.service, own)
            built.append(Built(image, seconds, cached, steps))
        if plan.push:
            built = _published(plan, built, api, bus)
    manifest = Manifest(
        project.project, plan.version, plan.revision, manifests.now(), tuple(one.image for one in built), dirty
    )
    manifest = manifests.merge(project, manifest)
    manifests.save(project, manifest)
    return BuildResult(manifest, tuple(built))


def _published(plan: BuildPlan, built: list[Built], api: DockerClient, bus: Bus) -> list[Built]:
    """The images, all of them in the registry and with their tags there."""
    targets = {target.service: target for target in plan.targets}
    digests = tagging.push({one.image.service: one.image.tags[0] for one in built if not one.image.digest}, api, bus)
    done = [
        replace(one, image=_in_registry(one.image, one.image.digest or digests[one.image.service], api))
        for one in built
    ]
    tagging.give(
        {
            one.image.service: Tagged(
                one.image.name,
                str(one.image.digest),
                # Pushed by the engine, it has its first tag already.
                tuple(_tag(ref) for ref in targets[one.image.service].refs[one.image.service in digests :]),
            )
            for one in done
        },
        api,
        bus,
    )
    return done


def _in_registry(image: BuiltImage, digest: str, api: DockerClient) -> BuiltImage:
    registry = registry_of(image.name, api)
    return replace(
        image,
        digest=digest,
        compressed=image.compressed or pullsize.compressed(registry, digest),
        platforms=image.platforms or pullsize.platforms(registry, digest),
    )


def _unchanged(
    project: Project, plan: BuildPlan, target: Target, last: BuiltImage, why: str, api: DockerClient, bus: Bus
) -> Built:
    with bus.step("build", stage="build", service=target.service) as step:
        image = kept.keep(project, plan, target, last, api)
        step.outcome, step.detail = "cached", f"unchanged: {why}"
    return Built(image, 0.0, 0, 0, unchanged=True)


def _image(
    project: Project, plan: BuildPlan, target: Target, metadata: dict[str, Any], api: DockerClient
) -> BuiltImage:
    digest = metadata.get("containerimage.digest")
    if target.by_digest and not digest:
        raise Failed(
            f"bake did not say under which digest {target.tag} was pushed", now=NOW, hint="docker buildx version"
        )
    found = _in_engine(f"{target.name}@{digest}" if target.by_digest else target.tag, api)
    if found is not None:
        image_id, size = found
    elif target.by_digest:
        # A builder outside of the engine pushes without leaving a copy here.
        image_id, size = str(metadata.get("containerimage.config.digest") or digest), None
    else:
        raise Failed(f"{target.tag} is not in the local engine although it was built", now=NOW)
    return BuiltImage(
        service=target.service,
        name=project.image_name(target.service),
        tag=plan.version,
        image_id=image_id,
        digest=str(digest) if target.by_digest else None,
        size=size,
        tags=target.refs,
    )


def _tag(ref: str) -> str:
    return ref.rpartition(":")[2]


def _in_engine(tag: str, api: DockerClient) -> tuple[str, int | None] | None:
    """Id and size of an image that the local engine has; None when it has not."""
    from docker.errors import APIError, ImageNotFound

    try:
        image = api.images.get(tag)
    except ImageNotFound:
        return None
    size: int | None = None
    with suppress(APIError, ShiptasksError):
        size = unpacked(api, tag)
    return str(image.id), size
