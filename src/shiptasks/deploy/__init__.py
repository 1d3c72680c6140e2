"""Deploying to plain Docker Compose hosts: plan, apply, take back.

`operations` is what other parts use; a deploy reads top-down as operations.deploy -> plan.plan -> apply.apply.
"""

from __future__ import annotations

from shiptasks.deploy.operations import Status, deploy, down, expected, read_release, rollback, status
from shiptasks.deploy.plan import Plan
from shiptasks.deploy.release import Release

__all__ = ["Plan", "Release", "Status", "deploy", "down", "expected", "read_release", "rollback", "status"]
