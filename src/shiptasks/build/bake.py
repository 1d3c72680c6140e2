"""Runs one bake for all services of a plan, and makes of it a manifest, or an error that shows the line at fault."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiptasks.build import engine as engines
from shiptasks.build import manifest as manifests
from shiptasks.build import tagging
from shiptasks.build.bakelog import Plain, RawJson, Reader
from shiptasks.build.engine import Engine
from shiptasks.build.manifest import BuiltImage, Manifest
from shiptasks.build.plan import BuildPlan, Target, check_sources
from shiptasks.build.progress import Failing, Tracker
from shiptasks.build.tagging import Tagged
from shiptasks.config.model import Project
from shiptasks.errors import Failed
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


@dataclass(frozen=True)
class BuildResult:
    """What a build made: `manifest` is as saved, `built` tells of the images of this run."""

    manifest: Manifest
    built: tuple[Built, ...]


def build(project: Project, plan: BuildPlan, engine: Engine, bus: Bus) -> BuildResult:
    """Build all targets of the plan side by side and save the manifest.

    Raises UsageError when a path of the plan is missing and Failed when an image does not build or cannot be pushed;
    no manifest is written then.
    """
    check_sources(project, plan)
    tracker = Tracker(bus, [target.service for target in plan.targets], early=not plan.push)
    try:
        metadata = _bake(plan, engine, tracker)
    except Failed:
        raise
    except BaseException:
        tracker.close("interrupted")
        raise
    tracker.close("ok")
    built = []
    with engines.client() as api:
        for target in plan.targets:
            image = _image(project, plan, target, metadata.get(target.service) or {}, api)
            built.append(Built(image, *tracker.summary(target.service)))
        tagging.give(
            {
                target.service: Tagged(one.image.name, one.image.digest, tuple(_tag(ref) for ref in target.refs))
                for target, one in zip(plan.targets, built, strict=True)
                if target.by_digest and one.image.digest
            },
            api,
            bus,
        )
    manifest = Manifest(
        project.project, plan.version, plan.revision, manifests.now(), tuple(one.image for one in built)
    )
    manifest = manifests.merge(project, manifest)
    manifests.save(project, manifest)
    return BuildResult(manifest, tuple(built))


def _bake(plan: BuildPlan, engine: Engine, tracker: Tracker) -> dict[str, Any]:
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
    if plan.push and not digest:
        raise Failed(
            f"bake did not say under which digest {target.tag} was pushed", now=_NOW, hint="docker buildx version"
        )
    found = _in_engine(f"{target.name}@{digest}" if target.by_digest else target.tag, api)
    if found is not None:
        image_id, size = found
    elif plan.push:
        # A builder outside of the engine pushes without leaving a copy here.
        image_id, size = str(metadata.get("containerimage.config.digest") or digest), None
    else:
        raise Failed(f"{target.tag} is not in the local engine although it was built", now=_NOW)
    return BuiltImage(
        service=target.service,
        name=project.image_name(target.service),
        tag=plan.version,
        image_id=image_id,
        digest=str(digest) if plan.push else None,
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
    size = image.attrs.get("Size")
    # Only in its list does every engine count the unpacked size, the one that `docker images` shows; and the list
    # fails while another image is being removed.
    with suppress(APIError):
        listed = [one for one in api.api.images(name=tag) if one["Id"] == image.id]
        size = listed[0]["Size"] if listed else size
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
