"""The runner with a host whose engine's answers are written down: order, waiting, errors, and the two reports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from shiptasks.errors import Failed
from shiptasks.hosts.base import HostError, Result
from shiptasks.run.events import Bus, Event, StepFinished, StepOutput, StepProgress
from shiptasks.verify import Report, run
from shiptasks.verify.report import text
from tests.verify.sample import IMAGE_ID, REF, RELEASE, expected, make_project

UNROUTED = {"services": {"api": {"context": "api", "replicas": 2}}}


def inspected(number: int, health: str | None = "healthy", **state: Any) -> str:
    """A line as the engine's `docker inspect` writes it in the format of hosts.containers."""
    labels = {
        "com.docker.compose.service": "api",
        "com.docker.compose.container-number": str(number),
        "shiptasks.release": RELEASE,
        "shiptasks.version": "1.1.0",
    }
    full = {"Status": "running", "ExitCode": 0, "OOMKilled": False, "StartedAt": "2026-11-21T17:15:00Z", **state}
    if health:
        full["Health"] = {"Status": health, "Log": []}
    return json.dumps(
        {
            "id": f"{number:064x}",
            "name": f"/shop-api-{number}",
            "image": REF,
            "image_id": IMAGE_ID,
            "labels": labels,
            "state": full,
            "restarts": 0,
            "check": None,
            "networks": {},
        }
    )


class Written:
    """A session whose scripts give these answers in turn, the last one for ever; an error is raised."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def run(self, script: str, **_: Any) -> Result:
        assert "docker ps" in script
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Result(0, answer, "", 0.0)


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


BOTH = inspected(1) + "\n" + inspected(2) + "\n"


def verify(session: Written, recorder: Recorder | None = None, *, wait: float = 0, **keys: Any) -> Report:
    project = make_project(**{**UNROUTED, **keys})
    bus = Bus(recorder or Recorder())
    return run(project, {"local": session}, {"local": expected()}, bus, wait=wait)  # type: ignore[dict-item]


def test_all_is_well_with_one_observation_a_host() -> None:
    session = Written(BOTH)
    report = verify(session)
    assert report.ok
    assert report.summary() == "4 ok"
    assert session.asked == 1


def test_what_fails_comes_first_with_evidence_and_remedy() -> None:
    report = verify(Written(inspected(1, "unhealthy")))
    assert not report.ok
    assert [one.status for one in report.results] == ["fail", "fail", "ok", "ok"]
    shown = text(report)
    assert shown.startswith("FAIL   containers: api replicas on local: 1 of 2 run\n       | shop-api-1 of release")
    assert "       next: docker logs --tail 50 shop-api-1" in shown
    assert shown.endswith("group       result\ncontainers  2 failed, 2 ok")
    assert "api image" not in shown
    assert "api image" in text(report, verbose=True)


def test_a_warning_is_shown_and_does_not_fail() -> None:
    report = verify(Written(inspected(1, None) + "\n" + inspected(2, None)))
    assert report.ok
    assert text(report).startswith("WARN   containers: api health on local: 0 of 2 healthy, 2 without a healthcheck")


def test_a_host_that_cannot_be_observed_is_an_error_never_a_pass() -> None:
    report = verify(Written(HostError("the connection was lost", where="local", details=("reset by peer",))))
    assert not report.ok
    assert {one.status for one in report.results} == {"error"}
    assert report.results[0].verdict.detail == "the connection was lost"
    assert report.results[0].verdict.evidence == ("local", "reset by peer")


def test_output_that_is_not_the_engines_is_an_error() -> None:
    assert {one.status for one in verify(Written("motd: welcome")).results} == {"error"}


def test_a_check_that_breaks_is_an_error_of_that_check_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from shiptasks.verify.containers import Healthy

    def broken(*_: object) -> Any:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(Healthy, "look", broken)
    report = verify(Written(BOTH))
    assert report.summary() == "1 could not look, 3 ok"
    assert report.results[0].verdict.detail == "the check itself failed: ZeroDivisionError: oops"


def test_waits_until_all_is_well_at_once() -> None:
    session = Written(inspected(1), inspected(1) + "\n" + inspected(2, "starting"), HostError("lost"), BOTH)
    recorder = Recorder()
    report = verify(session, recorder, wait=20)
    assert report.ok
    assert session.asked == 4
    assert [event.text for event in recorder.of(StepProgress)][:2] == ["1 failed, 3 ok", "1 failed, 3 ok"]


def test_waiting_ends_in_time_with_the_last_look() -> None:
    session = Written(inspected(1, "starting"))
    began = time.monotonic()
    report = verify(session, wait=0.6)
    assert 0.5 < time.monotonic() - began < 2
    assert not report.ok
    assert session.asked >= 2


def test_nothing_to_verify_is_an_error() -> None:
    with pytest.raises(Failed, match="nothing to verify"):
        run(make_project(**UNROUTED), {}, {}, Bus())
    with pytest.raises(Failed, match="nothing to verify"):
        run(
            make_project(**UNROUTED),
            {"local": Written(BOTH)},  # type: ignore[dict-item]
            {"local": expected()},
            Bus(),
            services=["web"],
        )


def test_only_skipped_checks_are_no_pass() -> None:
    from shiptasks.verify import Result, Verdict

    assert not Report((Result("g", "t", "", "", Verdict("skip", "nothing"), 0.0),)).ok
    assert not Report(()).ok


def test_the_bus_hears_of_every_check_and_the_end_of_each_group() -> None:
    recorder = Recorder()
    verify(Written(inspected(1)), recorder)
    [end] = recorder.of(StepFinished)
    assert (end.outcome, end.detail) == ("failed", "1 failed, 3 ok")
    lines = [event.line for event in recorder.of(StepOutput)]
    assert lines[0] == "fail api replicas on local: 1 of 2 run"
    assert len(lines) == 4


@pytest.mark.parametrize("outcome", ["ok", "warn"])
def test_json_has_every_check(outcome: str) -> None:
    answer = BOTH if outcome == "ok" else inspected(1, None) + "\n" + inspected(2)
    data = json.loads(json.dumps(verify(Written(answer)).to_dict()))
    assert data["ok"] is True
    assert data["counts"] == {
        "error": 0,
        "fail": 0,
        "warn": int(outcome == "warn"),
        "skip": 0,
        "ok": 4 - (outcome == "warn"),
    }
    assert set(data["checks"][0]) == {
        "group", "target", "host", "service", "status", "seconds", "detail", "evidence", "remedy",
    }  # fmt: skip
    assert data["checks"][0]["status"] == outcome


@pytest.mark.parametrize("body", [lambda report: text(report), lambda report: text(report, verbose=True)])
def test_what_a_host_writes_cannot_steer_the_terminal(body: Callable[[Report], str]) -> None:
    bad = json.loads(inspected(1, "unhealthy"))
    bad["state"]["Health"]["Log"] = [{"Output": "\x1b[2Jgone\x07"}]
    assert "\x1b" not in body(verify(Written(json.dumps(bad))))
