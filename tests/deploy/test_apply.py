"""Applying and taking back, with steps that write down what they do, on this machine as one or two hosts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shiptasks.deploy.apply import apply
from shiptasks.deploy.layout import Layout
from shiptasks.deploy.on_host import Names, OnHost
from shiptasks.deploy.plan import HostPlan, Plan
from shiptasks.deploy.steps import Step
from shiptasks.errors import Failed, FailedNotRestored, FailedRestored, Interrupted
from shiptasks.hosts.local import LocalHost
from shiptasks.run.events import Bus, Event, Notice, StepFinished
from tests.deploy import sample

Log = list[str]


@dataclass(frozen=True, kw_only=True)
class Noted(Step):
    """Writes its name down when it is applied, and `-name` when it is taken back."""

    name: str
    at: str
    log: Log = field(repr=False)
    then: Callable[[OnHost], object] = lambda on: None
    back: Callable[[OnHost], object] = lambda on: None

    @property
    def stage(self) -> str:  # type: ignore[override]
        return self.at

    def describe(self) -> str:
        return f"do {self.name}"

    def apply(self, on: OnHost) -> None:
        self.log.append(f"{on.address} {self.name}")
        on.run(f"echo {self.name}")
        self.then(on)

    def describe_back(self) -> str:
        return f"undo {self.name}"

    def take_back(self, on: OnHost) -> None:
        self.log.append(f"{on.address} -{self.name}")
        self.back(on)


def fails(what: str = "it broke", **more: Any) -> Callable[[OnHost], None]:
    def then(_: OnHost) -> None:
        raise Failed(what, **more)

    return then


def interrupted(_: OnHost) -> None:
    raise KeyboardInterrupt


class Site:
    """One host, or two, in a folder; `run` applies steps given by host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: Log = []
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)

    def step(self, name: str, at: str = "rollout", **more: Any) -> Noted:
        return Noted(name=name, at=at, log=self.log, **more)

    def run(self, *hosts: tuple[Step, ...], verify: Callable[[], None] = lambda: None, before: str = "1.0.0") -> None:
        shop = sample.project()
        names = Names("r-1.1.0", "1.1.0", "ada@laptop")
        on, planned = [], []
        for number, steps in enumerate(hosts, 1):
            base = self.folder / f"host{number}"
            base.mkdir(exist_ok=True)
            on.append(OnHost(LocalHost(), f"host{number}", Layout(str(base)), shop, names))
            planned.append(HostPlan(f"host{number}", "r-1.0.0", steps, {}))
        plan = Plan("deploy", shop, sample.release("1.1.0"), sample.model(), before, tuple(planned))
        try:
            apply(plan, on, Bus(self), verify)
        finally:
            for one in on:
                one.host.close()

    def journal(self, host: str = "host1") -> list[tuple[str, str]]:
        lines = (self.folder / host / "journal.jsonl").read_text().splitlines()
        return [(entry["phase"], entry["step"]) for entry in map(json.loads, lines)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_stage_after_stage_and_in_a_rollout_host_after_host(site: Site) -> None:
    site.run(
        (site.step("b", "rollout"), site.step("c", "rollout"), site.step("a", "pull"), site.step("d", "clean up")),
        (site.step("b", "rollout"), site.step("a", "pull")),
        verify=lambda: site.log.append("verified"),
    )
    assert sorted(site.log[:2]) == ["host1 a", "host2 a"]
    assert site.log[2:] == ["host1 b", "host1 c", "host2 b", "verified", "host1 d"]
    assert site.journal() == [
        ("begin", "do a"),
        ("end", "do a"),
        ("begin", "do b"),
        ("end", "do b"),
        ("begin", "do c"),
        ("end", "do c"),
        ("done", ""),
    ]


def test_a_failure_takes_back_every_host_the_last_step_first(site: Site) -> None:
    with pytest.raises(FailedRestored) as caught:
        site.run(
            (site.step("a", "pull"), site.step("b")),
            (site.step("a", "pull"), site.step("b", then=fails("b is ill", where="host2", details=("a line",)))),
        )
    assert site.log[2:] == ["host1 b", "host2 b", "host2 -b", "host2 -a", "host1 -b", "host1 -a"]
    error = caught.value
    assert (error.what, error.where) == ("deploy of 1.1.0 failed: b is ill", "host2")
    assert (error.now, error.details) == ("taken back; 1.0.0 serves on", ("a line",))
    assert site.journal("host1")[-1] == site.journal("host2")[-1] == ("taken-back", "")


def test_what_was_never_begun_is_not_taken_back(site: Site) -> None:
    with pytest.raises(FailedRestored):
        site.run((site.step("a", then=fails()), site.step("b"), site.step("c", "clean up")))
    assert site.log == ["host1 a", "host1 -a"]


def test_a_verification_that_fails_takes_all_back(site: Site) -> None:
    def verify() -> None:
        raise Failed("it serves another version")

    with pytest.raises(FailedRestored, match="it serves another version"):
        site.run((site.step("a"), site.step("b", "mark current")), verify=verify)
    assert site.log == ["host1 a", "host1 -a"]


def test_with_nothing_before_it_says_so(site: Site) -> None:
    with pytest.raises(FailedRestored) as caught:
        site.run((site.step("a", then=fails()),), before="")
    assert caught.value.now == "taken back; nothing was deployed before"


def test_what_cannot_be_taken_back_is_named_and_the_rest_still_is(site: Site) -> None:
    with pytest.raises(FailedNotRestored) as caught:
        site.run((site.step("a", "pull"), site.step("b", "proxy", back=fails("stuck")), site.step("c", then=fails())))
    assert site.log[-3:] == ["host1 -c", "host1 -b", "host1 -a"]
    assert caught.value.exit_code == 5
    assert caught.value.details[-2:] == ("not restored:", "host1: undo b: stuck")
    assert site.journal()[-1] == ("not-restored", "")


def test_where_the_old_does_not_come_back_the_new_keeps_what_it_stands_on(site: Site) -> None:
    with pytest.raises(FailedNotRestored):
        site.run(
            (
                site.step("files", "stage files"),
                site.step("start new", service="api"),
                site.step("stop old", service="api", back=fails("the old one does not start")),
                site.step("start worker", service="worker", then=fails()),
            )
        )
    assert [line for line in site.log if " -" in line] == ["host1 -start worker", "host1 -stop old"]


def test_an_interrupt_takes_back_and_says_what_serves(site: Site) -> None:
    with pytest.raises(Interrupted) as caught:
        site.run((site.step("a"), site.step("b", then=interrupted)))
    assert site.log == ["host1 a", "host1 b", "host1 -b", "host1 -a"]
    assert caught.value.exit_code == 130
    assert caught.value.now == "taken back; 1.0.0 serves on"


def test_an_interrupt_of_the_way_back_is_no_success(site: Site) -> None:
    with pytest.raises(FailedNotRestored) as caught:
        site.run((site.step("a"), site.step("b", then=interrupted, back=interrupted)))
    assert "given up by hand" in caught.value.details[-1]


def test_an_unknown_error_is_taken_back_too(site: Site) -> None:
    def then(_: OnHost) -> None:
        raise ZeroDivisionError("of all things")

    with pytest.raises(FailedRestored, match="ZeroDivisionError: of all things"):
        site.run((site.step("a", then=then),))
    assert site.log[-1] == "host1 -a"


def test_a_script_that_fails_is_told_in_the_engines_words(site: Site) -> None:
    def then(on: OnHost) -> None:
        on.run(
            "echo ' Container shop-api-2  Created' >&2; echo 'Error response from daemon: no such thing' >&2; exit 1"
        )

    with pytest.raises(FailedRestored) as caught:
        site.run((site.step("a", then=then, service="api"),))
    assert caught.value.what == "deploy of 1.1.0 failed: could not do a: no such thing"
    assert caught.value.where == "host1, service api"
    assert caught.value.details == ("Error response from daemon: no such thing",)


def test_a_clean_up_that_fails_undoes_nothing(site: Site) -> None:
    site.run((site.step("a"), site.step("b", "clean up", then=lambda on: on.run("exit 1"))))
    assert site.log == ["host1 a", "host1 b"]
    assert [event.level for event in site.events if isinstance(event, Notice)] == ["warning"]
    assert site.journal()[-1][0] in ("done", "end")


def test_an_interrupted_clean_up_says_that_the_release_serves(site: Site) -> None:
    with pytest.raises(Interrupted) as caught:
        site.run((site.step("a"), site.step("b", "clean up", then=interrupted)))
    assert caught.value.now == "1.1.0 is current and serves"
    assert "host1 -a" not in site.log


def test_what_a_step_writes_is_told_as_its_output(site: Site) -> None:
    site.run((site.step("a"),))
    outcomes = [event.outcome for event in site.events if isinstance(event, StepFinished)]
    lines = [getattr(event, "line", None) for event in site.events]
    assert "a" in lines
    assert outcomes == ["ok"]
