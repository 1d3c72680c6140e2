"""Images of the services."""

from __future__ import annotations

from collections.abc import Iterable

from shiptasks.build import bake, engine
from shiptasks.build.bake import BuildResult
from shiptasks.build.plan import BuildPlan, check_sources
from shiptasks.build.prepare import Asked, prepare
from shiptasks.config.model import Project
from shiptasks.run.events import Bus

__all__ = ["BuildPlan", "BuildResult", "apply", "plan"]


def plan(
    project: Project, version: str = "", *, services: Iterable[str] | None = None, push: bool = False
) -> BuildPlan:
    """What would be built, at `version` or at the one that git names. No engine is asked.

    Raises UsageError for wrong versions and services, missing Dockerfiles, and a push without a registry.
    """
    asked = Asked(version=version, services=None if services is None else tuple(services), push=push)
    made = prepare(project, asked).plan
    check_sources(project, made)
    return made


def apply(project: Project, plan: BuildPlan, bus: Bus | None = None) -> BuildResult:
    """Build the images side by side, and keep their manifest for deploys. Raises Refused without an engine, Failed."""
    found = engine.preflight(project.root)
    return bake.build(project, plan, found, bus or Bus())
