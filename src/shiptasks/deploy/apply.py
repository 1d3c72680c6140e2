"""Applying a plan: stage by stage over all hosts, journalled, and taken back in reverse when something fails.

Nothing is decided here. Whatever ends it early, an error, Ctrl-C or SIGTERM, the steps that were begun are taken back
on every host, in the reverse order, before the error is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from shiptasks.deploy.on_host import OnHost
from shiptasks.deploy.plan import SERIAL, STAGES, HostPlan, Plan
from shiptasks.deploy.steps import Step
from shiptasks.errors import Failed, FailedNotRestored, FailedRestored, Interrupted, ShiptasksError
from shiptasks.hosts import fleet
from shiptasks.hosts.base import Host, HostError, ScriptFailed
from shiptasks.run.events import Bus
from shiptasks.run.hooks import Hooks

_PROGRESS = re.compile(r" ?(Container|Network|Volume|Image) \S+  ?[A-Z][a-z]+ ?")
_PREPARE = STAGES[: STAGES.index("migrate")]
Verify = Callable[[], None]
"""Asks the environment, from outside, whether it serves the release. Raises ShiptasksError when it does not."""


def apply(plan: Plan, hosts: Sequence[OnHost], bus: Bus, verify: Verify, hooks: Hooks | None = None) -> None:
    """Make the plan true, or leave everything as it was.

    Raises FailedRestored, FailedNotRestored or Interrupted; their message says what serves now.
    """
    hooks = hooks or Hooks(plan.project, plan.kind, None, bus, None)
    hooks.about(
        version=plan.release.version, revision=plan.release.revision, hosts=tuple(host.address for host in plan.hosts)
    )
    with hooks.around():
        _Applying(plan, hosts, bus, verify, hooks).run()


class _Applying:
    def __init__(self, plan: Plan, hosts: Sequence[OnHost], bus: Bus, verify: Verify, hooks: Hooks) -> None:
        self.plan = plan
        self.bus = bus
        self.verify = verify
        self.hooks = hooks
        self.hosts = list(zip(hosts, plan.hosts, strict=True))
        self.begun: dict[str, list[Step]] = {on.address: [] for on in hosts}
        for on, planned in self.hosts:
            on.serving = dict(planned.serving)

    def run(self) -> None:
        try:
            for stage in filter(self.plan.runs, STAGES[: STAGES.index("clean up")]):
                with self.hooks.around(stage):
                    self._stage(stage)
        except BaseException as error:
            raise self._taken_back(error) from error
        try:
            with self.hooks.around("clean up"):
                self._finish()
        except Failed as error:  # of a hook; the release serves
            self.bus.notice(f"{error.what}; what was replaced is not removed yet", level="warning")
        except KeyboardInterrupt:
            raise Interrupted(
                f"the {self.plan.kind} was interrupted while it removed what it had replaced",
                now=f"{self.plan.release.version} is current and serves",
                hint="nothing has to be done; the next deploy removes the rest",
            ) from None

    def _stage(self, stage: str) -> None:
        if stage == "verify":
            self.verify()
            return
        work = [(on, planned) for on, planned in self.hosts if planned.of(stage)]
        if stage in SERIAL or len(work) < 2:
            for on, planned in work:
                self._steps(on, planned, stage)
            return
        found = {id(on.host): (on, planned) for on, planned in work}

        def one(host: Host) -> None:
            self._steps(*found[id(host)], stage)

        fleet.values(fleet.each([on.host for on, _ in work], one))

    def _steps(self, on: OnHost, planned: HostPlan, stage: str) -> None:
        for step in planned.of(stage):
            self.begun[on.address].append(step)
            with self._telling(on, step, step.describe()):
                on.journal(step.describe(), "begin")
                try:
                    step.apply(on)
                except ScriptFailed as error:
                    raise _in_words(step, on, error) from error
                on.journal(step.describe(), "end")

    def _telling(self, on: OnHost, step: Step, title: str) -> _Telling:
        return _Telling(self.bus, on, step, title)

    def _finish(self) -> None:
        """The release serves and is current: what cannot be removed now is told, and does not undo it."""
        for on, planned in self.hosts:
            try:
                on.journal("", "done", now=True)
                for step in planned.of("clean up"):
                    with self._telling(on, step, step.describe()):
                        step.apply(on)
            except HostError as error:
                self.bus.notice(f"{on.address}: clean-up was not complete: {error}", level="warning")

    def _taken_back(self, error: BaseException) -> BaseException:
        """Take everything back; the error that tells how that went."""
        failures: list[str] = []
        try:
            for on, _ in reversed(self.hosts):
                if self.begun[on.address]:
                    self._host_back(on, failures)
        except KeyboardInterrupt:
            failures.append("given up by hand: the steps before were not taken back")
        return self._told(error, failures)

    def _host_back(self, on: OnHost, failures: list[str]) -> None:
        """Take one host's steps back, the last first, and add to `failures` what could not be.

        Where the old containers of a service do not come back, its new ones keep their traffic, and what they stand on
        stays: half a way back would leave nothing that serves.
        """
        before = len(failures)
        stuck: set[str] = set()
        on.reopen()
        for step in reversed(self.begun[on.address]):
            if type(step).take_back is Step.take_back:
                continue
            if step.service in stuck if step.stage == "rollout" else stuck and step.stage in _PREPARE:
                continue
            try:
                with self._telling(on, step, step.describe_back()):
                    on.journal(step.describe_back(), "begin")
                    step.take_back(on)
            except Exception as second:
                failures.append(f"{on.address}: {step.describe_back()}: {_said(second)}")
                if step.stage == "rollout":
                    stuck.add(step.service)
                if not _reachable(on):
                    failures.append(f"{on.address}: the steps before were not taken back: the host does not answer")
                    return
        try:
            on.journal("", "not-restored" if len(failures) > before else "taken-back", now=True)
        except HostError as second:
            failures.append(f"{on.address}: the journal could not be written: {_said(second)}")

    def _told(self, error: BaseException, failures: list[str]) -> BaseException:
        plan = self.plan
        environment = plan.project.environment
        known = error if isinstance(error, ShiptasksError) else None
        what = known.what if known else f"the {plan.kind} was interrupted"
        if known is None and not isinstance(error, KeyboardInterrupt):
            what = f"the {plan.kind} met an error that it does not know: {type(error).__name__}: {error}"
        where = known.where if known else ""
        details = known.details if known else ()
        if failures:
            return FailedNotRestored(
                what,
                where=where,
                now="the previous state could NOT be restored everywhere; see the lines below",
                hint=f"inv status --env={environment}, then inv rollback --env={environment}",
                details=(*details, "not restored:", *failures),
            )
        before = plan.previous_version
        now = f"taken back; {before} serves on" if before else "taken back; nothing was deployed before"
        if isinstance(error, KeyboardInterrupt):
            return Interrupted(what, now=now, hint=f"inv status --env={environment}")
        return FailedRestored(
            f"{plan.kind} of {plan.release.version} failed: {what}",
            where=where,
            now=now,
            hint=(known.hint if known and known.hint else "mend it, build a new version, and deploy that"),
            details=details,
        )


def _in_words(step: Step, on: OnHost, error: ScriptFailed) -> Failed:
    """What the engine or Compose said, as the sentence of the error; without Compose's lines of progress."""
    said = [line for line in error.result.stderr.splitlines() if line.strip() and not _PROGRESS.fullmatch(line)]
    reason = next((line for line in said if "rror" in line), said[-1] if said else error.what)
    for prefix in ("Error response from daemon: ", "Error: "):
        reason = reason.strip().removeprefix(prefix)
    where = f"{on.address}, service {step.service}" if step.service else on.address
    return Failed(f"could not {step.describe()}: {reason}", where=where, hint=error.hint, details=tuple(said[-20:]))


def _reachable(on: OnHost) -> bool:
    """Whether the host can be worked on, after a step failed there."""
    on.reopen()
    try:
        return bool(on.session)
    except HostError:
        return False


class _Telling:
    """A step of the plan as a step on the bus: what the host writes goes to the same place."""

    def __init__(self, bus: Bus, on: OnHost, step: Step, title: str) -> None:
        self._on = on
        self._context = bus.step(title, stage=step.stage, host=on.address, service=step.service)

    def __enter__(self) -> None:
        handle = self._context.__enter__()
        self._on.tell = handle.progress
        self._on.output = lambda line, stream: handle.output(line, "stderr" if stream == "stderr" else "stdout")

    def __exit__(self, *error: object) -> bool | None:
        self._on.quiet()
        return self._context.__exit__(*error)  # type: ignore[arg-type]


def _said(error: BaseException) -> str:
    return error.what if isinstance(error, ShiptasksError) else f"{type(error).__name__} {error}".strip()
