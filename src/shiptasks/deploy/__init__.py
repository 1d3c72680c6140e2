"""Deploying to plain Docker Compose hosts: plan, apply, take back.

`operations` is what other parts use; a deploy reads top-down as operations.deploy -> plan.plan -> apply.apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiptasks.lazy import exports

if TYPE_CHECKING:
    from shiptasks.deploy.operations import Status, deploy, down, expected, read_release, rollback, status
    from shiptasks.deploy.plan import Plan
    from shiptasks.deploy.release import Release

__all__ = ["Plan", "Release", "Status", "deploy", "down", "expected", "read_release", "rollback", "status"]

_OPERATIONS = ("Status", "deploy", "down", "expected", "read_release", "rollback", "status")

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(_OPERATIONS, "shiptasks.deploy.operations"),
        "Plan": "shiptasks.deploy.plan",
        "Release": "shiptasks.deploy.release",
    },
)
