"""Looks: observes each host once, runs every check, and looks again at everything until all is well or time is up."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import repeat

from shiptasks.config.model import Project
from shiptasks.errors import Failed, ShiptasksError
from shiptasks.hosts.base import Host, Session
from shiptasks.hosts.containers import Container, observe
from shiptasks.run.events import Bus, Outcome, StepHandle
from shiptasks.verify.model import WORST_FIRST, Check, Expected, Facts, Report, Result, Verdict
from shiptasks.verify.suite import plan

STAGE = "verify"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0  # seconds between two looks
_SIDE_BY_SIDE = 16


def run(
    project: Project,
    hosts: Mapping[str, Host | Session],
    expected: Mapping[str, Expected],
    bus: Bus,
    *,
    wait: float = 0,
    services: Collection[str] | None = None,
) -> Report:
    """Verify what was deployed, by host address. The keys of `hosts` are those of `expected`.

    With `wait` (seconds) everything is looked at again until nothing fails, or the time is up: the report is always
    that of one look, so that what broke meanwhile is in it. Raises Failed when there is nothing to look at.
    """
    checks = plan(project, expected, services=services)
    if not checks:
        raise Failed(
            "there is nothing to verify",
            where=project.environment,
            hint="services that were deployed are verified; see [tool.shiptasks.services] in pyproject.toml",
        )
    began = time.monotonic()
    with ExitStack() as stack:
        steps: dict[str, StepHandle] = {}
        ends: dict[str, ExitStack] = {}
        for group in dict.fromkeys(check.group for check in checks):
            ends[group] = stack.enter_context(ExitStack())
            steps[group] = ends[group].enter_context(bus.step(group, stage=STAGE))
        sessions = _Sessions(hosts, stack)
        pool = ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="verify")
        stack.callback(pool.shutdown, cancel_futures=True)
        pause = _FIRST_PAUSE
        while True:
            facts = Facts(sessions.observe(project, {check.host for check in checks if check.host in hosts}, pool))
            results = tuple(pool.map(_look, checks, repeat(facts)))
            report = Report(_worst_first(results), time.monotonic() - began)
            left = began + wait - time.monotonic()
            if report.ok or left <= 0:
                break
            for group, step in steps.items():
                step.progress(report.summary(group))
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
        for group, step in steps.items():
            _tell(step, report, group)
            ends[group].close()
    return report


class _Sessions:
    """A session on each host, opened when first needed; a host that is given as a session is used as it is."""

    def __init__(self, hosts: Mapping[str, Host | Session], stack: ExitStack) -> None:
        self._hosts = hosts
        self._stack = stack
        self._open: dict[str, Session] = {}

    def observe(
        self, project: Project, addresses: Collection[str], pool: ThreadPoolExecutor
    ) -> dict[str, tuple[Container, ...] | ShiptasksError]:
        """The containers of each host, or why they could not be observed, side by side."""

        def one(address: str) -> tuple[Container, ...] | ShiptasksError:
            try:
                return observe(self._session(address), project.project)
            except ShiptasksError as error:
                self._open.pop(address, None)  # the next look opens a new one
                return error

        ordered = sorted(addresses)
        return dict(zip(ordered, pool.map(one, ordered), strict=True))

    def _session(self, address: str) -> Session:
        host = self._hosts[address]
        if not hasattr(host, "session"):
            return host
        if address not in self._open:
            self._open[address] = self._stack.enter_context(host.session())
        return self._open[address]


def _look(check: Check, facts: Facts) -> Result:
    began = time.monotonic()
    try:
        verdict = check.look(facts)
    except ShiptasksError as error:
        verdict = Verdict("error", error.what, tuple(filter(None, (error.where, *error.details))), error.hint)
    except Exception as error:
        verdict = Verdict("error", f"the check itself failed: {type(error).__name__}: {error}")
    return Result(check.group, check.target, check.host, check.service, verdict, time.monotonic() - began)


def _worst_first(results: tuple[Result, ...]) -> tuple[Result, ...]:
    return tuple(sorted(results, key=lambda one: WORST_FIRST.index(one.status)))


def _tell(step: StepHandle, report: Report, group: str) -> None:
    outcomes: dict[str, Outcome] = {"error": "failed", "fail": "failed", "warn": "warned", "skip": "ok", "ok": "ok"}
    mine = [one for one in report.results if one.group == group]
    for one in mine:
        where = f" on {one.host}" if one.host else ""
        step.output(f"{one.status} {one.target}{where}: {one.verdict.detail}")
    step.detail = report.summary(group)
    step.outcome = outcomes[mine[0].status]
    if all(one.status == "skip" for one in mine):
        step.outcome = "skipped"
