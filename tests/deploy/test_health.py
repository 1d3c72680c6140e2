"""When a container is ready, when it cannot become so any more, and how long that may take."""

from __future__ import annotations

from typing import Any

import pytest

from shiptasks.deploy.health import _broken, _ready, passes, until
from shiptasks.errors import Failed
from shiptasks.hosts.containers import HealthCheck
from tests.deploy.sample import container


@pytest.mark.parametrize(
    ("change", "may_end", "ready", "broken"),
    [
        ({}, False, True, ""),
        ({"health": "starting"}, False, False, ""),
        ({"health": "none"}, False, True, ""),
        ({"health": "unhealthy"}, False, False, "is unhealthy"),
        ({"status": "created", "health": "none"}, False, False, ""),
        ({"status": "paused"}, False, False, ""),
        ({"status": "exited", "health": "none"}, True, True, ""),
        ({"status": "exited", "health": "none"}, False, False, "ended with exit code 0"),
        ({"status": "exited", "health": "unhealthy", "exit_code": 1}, True, False, "ended with exit code 1"),
        ({"status": "dead", "exit_code": 137}, False, False, "ended with exit code 137"),
        ({"restarts": 1}, False, True, "ended and was restarted"),
        (
            {"restarts": 1, "status": "restarting", "exit_code": 3},
            False,
            False,
            "ended with exit code 3 and was restarted",
        ),
        ({"oom_killed": True, "status": "exited", "exit_code": 137}, False, False, "was killed for want of memory"),
    ],
)
def test_judgement(change: dict[str, Any], may_end: bool, ready: bool, broken: str) -> None:
    one = container("api", 1, **change)
    assert _broken(one, may_end) == broken
    assert _ready(one, may_end) is ready


def test_the_wait_is_that_of_the_healthcheck() -> None:
    assert HealthCheck().longest == 240
    assert HealthCheck(interval=1, timeout=2, start_period=10, retries=2).longest == 19


def test_waiting_for_a_condition() -> None:
    answers = iter([False, False, True])
    assert passes(lambda: next(answers), timeout=5)
    assert not passes(lambda: False, timeout=0)
    with pytest.raises(Failed, match=r"it does not come within 0\.1 s"):
        until(lambda: False, timeout=0.1, problem="it does not come", where="here")
