"""Is what was deployed what runs and what answers? Containers and proxy on the hosts, endpoints from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiptasks.lazy import exports

if TYPE_CHECKING:
    from shiptasks.verify.model import Check, Expected, Report, Result, Status, Verdict
    from shiptasks.verify.runner import run
    from shiptasks.verify.suite import plan

__all__ = ["Check", "Expected", "Report", "Result", "Status", "Verdict", "plan", "run"]

_MODEL = ("Check", "Expected", "Report", "Result", "Status", "Verdict")

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(_MODEL, "shiptasks.verify.model"),
        "plan": "shiptasks.verify.suite",
        "run": "shiptasks.verify.runner",
    },
)
