"""Runs one bake for all services of a plan, and makes of it a manifest, or an error that shows the line at fault."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiptasks.build import cache, kept, policy, pullsize, tagging
from shiptasks.build import engine as engines
from shiptasks.build import manifest as manifests
from shiptasks.build.bakelog import Plain, RawJson, Reader
from shiptasks.build.engine import Engine
from shiptasks.build.layers import unpacked
from shiptasks.build.manifest import BuiltImage, Manifest
from shiptasks.build.plan import BuildPlan, Target, check_sources
from shiptasks.build.progress import Failing, Tracker
from shiptasks.build.registry import registry_of
from shiptasks.build.tagging import Tagged
from shiptasks.config.model import Project
from shiptasks.errors import Failed, ShiptasksError
from shiptasks.run.events import Bus

if TYPE_CHECKING:
    from docker import DockerClient

_SHOWN_LINES = 20
_NOW = "no manifest was written; what is deployed is untouched"


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
        metadata = _whole_bake(rest, engine, tracker, builder) if rest.targets else {}
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
            image = replace(image, inputs=settled, seconds=round(seconds, 3), cached=cached, steps=steps)
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
    size = image.compressed or pullsize.compressed(registry_of(image.name, api), digest)
    return replace(image, digest=digest, compressed=size)


def _unchanged(
    project: Project, plan: BuildPlan, target: Target, last: BuiltImage, why: str, api: DockerClient, bus: Bus
) -> Built:
    with bus.step("build", stage="build", service=target.service) as step:
        image = kept.keep(project, plan, target, last, api)
        step.outcome, step.detail = "cached", f"unchanged: {why}"
    return Built(image, 0.0, 0, 0, unchanged=True)


def _whole_bake(plan: BuildPlan, engine: Engine, tracker: Tracker, builder: tuple[str, ...]) -> dict[str, Any]:
    """Run bake, with its caches put in their places afterwards; the steps of all services have ended then."""
    caches = [one for target in plan.targets for one in target.caches]
    ready = replace(plan, targets=tuple(_with_present_caches(target, plan.root) for target in plan.targets))
    done = False
    try:
        metadata = _bake(ready, engine, tracker, builder)
        done = True
    except Failed:
        raise
    except BaseException:
        tracker.close("interrupted")
        raise
    finally:
        for one in caches:
            cache.rotate(one, plan.root, ok=done)
    tracker.close("ok")
    return metadata


def _with_present_caches(target: Target, root: Path) -> Target:
    if not target.caches:
        return target
    there = [cache.present(one, root) for one in target.caches]
    return replace(target, cache_from=tuple(dict.fromkeys(entry for one in there for entry in one.imports)))


def _bake(plan: BuildPlan, engine: Engine, tracker: Tracker, builder: tuple[str, ...]) -> dict[str, Any]:
    """Run bake to its end; what it says of the images, by service."""
    from shiptasks.run.process import run

    reader: Reader = RawJson() if engine.raw_json else Plain()

    def on_line(line: str, _stream: str) -> None:
        for record in reader.feed(line):
            tracker.take(record)

    with tempfile.TemporaryDirectory(prefix="shiptasks-") as folder:
        # A file, not standard input: there bake would first try to read it as a Compose file, and warn.
        bakefile, metadata = Path(folder, "docker-bake.json"), Path(folder, "metadata.json")
        bakefile.write_text(json.dumps(plan.bake()), encoding="utf-8")
        result = run(
            [
                "docker",
                "buildx",
                "bake",
                *builder,
                f"--file={bakefile}",
                f"--metadata-file={metadata}",
                f"--progress={'rawjson' if engine.raw_json else 'plain'}",
            ],
            cwd=plan.root,
            # Attestations carry the time of the build: with them nothing could be built twice to the same digest.
            env={**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
            check=False,
            on_line=on_line,
            keep=100_000,
        )
        if not result.ok:
            raise _failed(plan, tracker, result.exit_code)
        text = metadata.read_text(encoding="utf-8") if metadata.is_file() else "{}"
    answer: dict[str, Any] = json.loads(text)
    # With a single target some versions leave out the level of the services.
    if len(plan.targets) == 1 and plan.targets[0].service not in answer:
        answer = {plan.targets[0].service: answer}
    return answer


def _image(
    project: Project, plan: BuildPlan, target: Target, metadata: dict[str, Any], api: DockerClient
) -> BuiltImage:
    digest = metadata.get("containerimage.digest")
    if target.by_digest and not digest:
        raise Failed(
            f"bake did not say under which digest {target.tag} was pushed", now=_NOW, hint="docker buildx version"
        )
    found = _in_engine(f"{target.name}@{digest}" if target.by_digest else target.tag, api)
    if found is not None:
        image_id, size = found
    elif target.by_digest:
        # A builder outside of the engine pushes without leaving a copy here.
        image_id, size = str(metadata.get("containerimage.config.digest") or digest), None
    else:
        raise Failed(f"{target.tag} is not in the local engine although it was built", now=_NOW)
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


def _failed(plan: BuildPlan, tracker: Tracker, exit_code: int) -> Failed:
    """The error of a bake that failed; ends the steps that are still open."""
    failing = tracker.failing()
    line, excerpt = _place(tracker.texts)
    target = _at_fault(plan, failing, tracker.texts, line, excerpt)
    tracker.close("failed", target.service if target else "")
    where = ""
    if target is not None:
        where = str(target.dockerfile.relative_to(plan.root)) + (f":{line}" if line else "")
    log = failing.lines[-_SHOWN_LINES:] if failing else ()
    details = (*excerpt, *(("", *log) if log and excerpt else log))
    whose = target.service if target else plan.project
    return Failed(
        f"the image of {whose} did not build: {_reason(failing, tracker.texts, exit_code)}",
        where=where,
        now=_NOW,
        hint=f"correct it, then inv build --version={plan.version}",
        details=details,
    )


def _place(texts: list[str]) -> tuple[int, tuple[str, ...]]:
    """The line in the Dockerfile, and the excerpt that shows it, from the lines that buildx writes at the end.

    0 and nothing when it does not say: the failure was not in a Dockerfile.
    """
    for index, text in enumerate(texts):
        match = re.fullmatch(r"\S.*:(\d+)", text)
        if match and index + 1 < len(texts) and re.fullmatch(r"-{10,}", texts[index + 1]):
            excerpt = []
            for line in texts[index + 2 :]:
                if re.fullmatch(r"-{10,}", line):
                    break
                excerpt.append(line.rstrip())
            return int(match[1]), tuple(excerpt)
    return 0, ()


def _at_fault(
    plan: BuildPlan, failing: Failing | None, texts: list[str], line: int, excerpt: tuple[str, ...]
) -> Target | None:
    """The target that failed: as the log says, else the only one whose Dockerfile has the excerpt at that line."""
    if len(plan.targets) == 1:
        return plan.targets[0]
    if failing:
        return next(target for target in plan.targets if target.service == failing.service)
    named = re.search(r"^ERROR: target (\S+): ", "\n".join(texts), re.MULTILINE)
    if named:
        return next((target for target in plan.targets if target.service == named[1]), None)
    shown = [text.partition("| >>> ")[2] for text in excerpt if "| >>> " in text]
    alike = []
    for target in plan.targets:
        lines = target.dockerfile.read_text(encoding="utf-8", errors="replace").splitlines()
        if line and shown and lines[line - 1 : line] == shown[:1]:
            alike.append(target)
    return alike[0] if len(alike) == 1 else None


def _reason(failing: Failing | None, texts: list[str], exit_code: int) -> str:
    if failing:
        name = re.sub(r"^\[[^\]]*\] ", "", " ".join(failing.name.split()))
        code = re.search(r"exit code: \d+", failing.error)
        return f"{name if len(name) <= 100 else name[:99] + '…'}: {code[0] if code else failing.error}"
    errors = [text.removeprefix("ERROR: ") for text in texts if text.startswith("ERROR: ")]
    return errors[-1].removeprefix("failed to solve: ") if errors else f"docker buildx bake ended with code {exit_code}"
