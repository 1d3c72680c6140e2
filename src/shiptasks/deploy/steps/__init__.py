"""The steps of a deploy as values: each can say what it is, do it, and take it back.

A plan is made of these and of nothing else; what `--plan` prints is what runs. `take_back` is called for a step that
was begun, in the reverse order, and must be right whether the step ended, failed in the middle, or did nothing.
"""

from __future__ import annotations

from shiptasks.deploy.steps.base import Sign, Step
from shiptasks.deploy.steps.close import CleanUp, MarkCurrent, Stabilise
from shiptasks.deploy.steps.prepare import EnsureProxy, Migrate, Pull, StageFiles, Store
from shiptasks.deploy.steps.traffic import Drain, Route, Start, Stop

__all__ = [
    "CleanUp",
    "Drain",
    "EnsureProxy",
    "MarkCurrent",
    "Migrate",
    "Pull",
    "Route",
    "Sign",
    "Stabilise",
    "StageFiles",
    "Start",
    "Step",
    "Stop",
    "Store",
]
