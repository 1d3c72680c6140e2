"""Images that need not be built: what they are made of is what their last image was made of, and that one is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shiptasks.build import bases, inputs, manifest
from shiptasks.build.contents import Contents
from shiptasks.build.inputs import Facts, Inputs
from shiptasks.build.manifest import BuiltImage
from shiptasks.build.plan import BuildPlan, Target
from shiptasks.build.registry import registry_of
from shiptasks.config.model import Project
from shiptasks.errors import Failed
from shiptasks.run.files import write_whole
from shiptasks.run.graph import side_by_side

if TYPE_CHECKING:
    from docker import DockerClient

    from shiptasks.build.engine import Engine


@dataclass(frozen=True)
class Decided:
    """What was found out of one service: its inputs, its last image when that can be kept, and why or why not."""

    inputs: Inputs
    image: BuiltImage | None
    why: str


def inputs_of(project: Project, plan: BuildPlan, engine: Engine, native: str = "") -> dict[str, Inputs]:
    """What each image of the plan would be made of, by service. `native` is the builder's own platform."""
    facts = {target.service: _facts(target, native) for target in plan.targets}
    where = bases.places(engine.driver, containerd_store=engine.containerd_store)
    platforms = sorted({platform for target in plan.targets for platform in target.platforms})
    contents = Contents(project.state_dir / "cache" / "contents.json")
    return inputs.of_all(facts, lambda names: bases.look(names, where, platforms), contents)


def decide(
    project: Project, plan: BuildPlan, found: Mapping[str, Inputs], api: DockerClient, *, skip: bool
) -> dict[str, Decided]:
    """Which images can be kept, by service. With `skip` false none is."""
    last = manifest.latest(project)

    def one(target: Target) -> Decided:
        own, image = found[target.service], last.get(target.service)
        if not skip:
            return Decided(own, None, "")
        is_there = image is not None and _is_there(target, image, plan.push, api)
        same, why = inputs.unchanged(own, image, is_there, _recalled(project, target.service))
        return Decided(own, image if same else None, why)

    decided = {}
    outcomes = side_by_side([partial(one, target) for target in plan.targets], jobs=8)
    for target, outcome in zip(plan.targets, outcomes, strict=True):
        if outcome.error is not None:
            raise outcome.error
        if outcome.value is not None:
            decided[target.service] = outcome.value
    return decided


def keep(project: Project, plan: BuildPlan, target: Target, image: BuiltImage, api: DockerClient) -> BuiltImage:
    """The last image as that of this plan; in the local engine it gets its references at once."""
    if not plan.push:
        there = api.images.get(image.image_id)
        for ref in target.refs:
            name, _, tag = ref.rpartition(":")
            there.tag(name, tag)
    return replace(
        image,
        name=project.image_name(target.service),
        tag=plan.version,
        tags=target.refs,
        digest=image.digest if plan.push else None,
    )


def remember(project: Project, service: str, own: Inputs) -> None:
    """Keep what an image was made of, so that the next build can say what has changed."""
    if own.hash:
        write_whole(_file(project, service), json.dumps(own.to_json()).encode())


def _facts(target: Target, native: str) -> Facts:
    return Facts(
        context=target.context,
        dockerfile=target.dockerfile,
        stage=target.stage,
        args=target.args,
        labels=target.labels,
        platforms=target.platforms or ((native,) if native else ()),
        secrets=target.secrets,
        ssh=target.ssh,
        annotations=target.annotations,
        attest=target.attest,
    )


def _is_there(target: Target, image: BuiltImage, push: bool, api: DockerClient) -> bool:
    from docker.errors import APIError, ImageNotFound

    if image.name != target.name:
        return False
    if push:
        try:
            return image.digest is not None and registry_of(image.name, api).get(image.digest) is not None
        except Failed:
            return False  # the push will say so in its own words
    try:
        api.images.get(image.image_id)
    except (ImageNotFound, APIError):
        return False
    return True


def _recalled(project: Project, service: str) -> Inputs | None:
    try:
        return Inputs.from_json(json.loads(_file(project, service).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _file(project: Project, service: str) -> Path:
    return project.state_dir / "cache" / "inputs" / f"{service}.json"
