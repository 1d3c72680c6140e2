"""Releases of an environment: `project` is loaded with its name."""

from __future__ import annotations

import json

from shiptasks.config.model import Project
from shiptasks.deploy import operations
from shiptasks.deploy.plan import Plan
from shiptasks.errors import Refused
from shiptasks.run.events import Bus

__all__ = ["Plan", "Status", "apply", "plan", "status"]

Status = operations.Status


def plan(project: Project, version: str | None = None, *, rollback: bool = False, bus: Bus | None = None) -> Plan:
    """What a deploy of `version`, or of the latest build, would do; with `rollback` the way back. Only looks.

    Raises UsageError, Refused (a host is not ready), Failed (a host does not answer).
    """
    operation = operations.rollback if rollback else operations.deploy
    return operation(project, bus or Bus(), version, plan_only=True, show=lambda _: None)


def apply(plan: Plan, bus: Bus | None = None) -> Plan:
    """Make the plan true, or leave everything as it was: what `inv deploy` does, under the lock of every host.

    The hosts are looked at again first. Raises Refused where they are not any more as they were when the plan was made,
    and FailedRestored, FailedNotRestored, Interrupted as a deploy does.
    """
    wanted = _comparable(plan)

    def still(now: Plan) -> None:
        if _comparable(now) != wanted:
            raise Refused(
                f"the hosts are not as they were when this {plan.kind} was planned",
                where=plan.project.environment,
                now="nothing was changed",
                hint="plan again, and look at what is different",
            )

    operation = {"deploy": operations.deploy, "rollback": operations.rollback}[plan.kind]
    return operation(plan.project, bus or Bus(), plan.release.version, plan_only=False, show=still)


def status(project: Project, bus: Bus | None = None) -> Status:
    """What runs on each host."""
    return operations.status(project, bus or Bus())


def _comparable(plan: Plan) -> str:
    """The plan as text, without the id that each attempt gets."""
    return json.dumps(plan.to_json(), sort_keys=True).replace(plan.release.id, "*")
