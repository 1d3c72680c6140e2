"""From what is wanted and what is true to the steps between: a pure function, and the plan that it returns.

Nothing here talks to a host. `--plan` prints a `Plan`, a deploy applies it; they are the same object.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shiptasks.config.model import Project
from shiptasks.deploy import steps, strategies
from shiptasks.deploy.compose import ComposeModel, ComposeService, digest, has_proxy, proxy_service
from shiptasks.deploy.haproxy import render, shape
from shiptasks.deploy.layout import Layout
from shiptasks.deploy.release import HistoryEntry, Release, way_back
from shiptasks.deploy.state import HostState
from shiptasks.deploy.steps import Step
from shiptasks.hosts.containers import PROXY, Container
from shiptasks.run.hooks import When
from shiptasks.run.hooks import planned as planned_hooks

Kind = Literal["deploy", "rollback"]
STAGES = (
    "stage files",
    "pull",
    "stores",
    "proxy",
    "migrate",
    "rollout",
    "stabilise",
    "verify",
    "mark current",
    "clean up",
)
SERIAL = ("migrate", "rollout")
"""Stages in which one host comes after another; in the others all go side by side, and wait for each other."""


@dataclass(frozen=True)
class HostPlan:
    """What is done on one host. `serving` is what gets traffic now, by service."""

    address: str
    previous: str
    steps: tuple[Step, ...]
    serving: Mapping[str, tuple[str, ...]]

    def of(self, stage: str) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.stage == stage)


@dataclass(frozen=True)
class Plan:
    """The whole of a deploy or rollback: the steps of each host, which stage by stage make it true."""

    kind: Kind
    project: Project
    release: Release
    model: ComposeModel
    previous_version: str
    hosts: tuple[HostPlan, ...]
    notes: tuple[str, ...] = ()

    @property
    def nothing_to_do(self) -> bool:
        return not any(host.steps for host in self.hosts)

    def lines(self) -> Iterator[str]:
        """The plan as people read it."""
        if self.nothing_to_do:
            yield f"{self.release.version} runs already on {self.project.environment}: nothing to do"
            return
        known = self.previous_version and self.previous_version != self.release.version
        from_version = f"{self.previous_version} -> " if known else ""
        yield (
            f"{self.kind} {self.project.project} {from_version}{self.release.version} to {self._place()}, "
            f"{self.project.target.strategy}, {_count(len(self.hosts), 'host')}"
        )
        for note in self.notes:
            yield f"  ! {note}"
        yield from self._hooks("", "before")
        for stage in STAGES:
            planned = [(host, step) for host in self.hosts for step in host.of(stage)]
            if planned or stage == "verify":
                yield f"  {stage}"
                yield from self._hooks(stage, "before")
            for host, step in planned:
                yield f"    {step.sign:<3} {host.address}: {step.describe()}"
            if stage == "verify":
                yield f"    .   every routed service answers and serves {self.release.version}"
            if planned or stage == "verify":
                yield from self._hooks(stage, "after")
        yield from self._hooks("", "after")
        signs = [step.sign for host in self.hosts for step in host.steps]
        words = {"+": "to start", "~": "to switch", "-/+": "to replace", "-": "to end"}
        yield "Plan: " + ", ".join(f"{signs.count(sign)} {word}" for sign, word in words.items() if sign in signs)
        if any(host.of("migrate") for host in self.hosts):
            yield "What a migration does to the data is not taken back."

    def runs(self, stage: str) -> bool:
        """Whether the stage is part of this plan."""
        return stage == "verify" or any(host.of(stage) for host in self.hosts)

    def _hooks(self, stage: str, when: When) -> Iterator[str]:
        for hook in planned_hooks(getattr(self.project.hooks, self.kind), stage, when):
            yield f"  {'  ' if stage else ''}>   hook {when}: {hook}"

    def hooks(self) -> list[dict[str, str]]:
        """The hooks that would run, in their order, as plain data."""
        points = getattr(self.project.hooks, self.kind)
        order: list[tuple[str, When]] = [("", "before")]
        for stage in filter(self.runs, STAGES):
            order += [(stage, "before"), (stage, "after")]
        return [
            {"stage": stage, "when": when, "runs": hook}
            for stage, when in (*order, ("", "after"))
            for hook in planned_hooks(points, stage, when)
        ]

    def _place(self) -> str:
        """The environment, with its purpose where the name does not say that it is more than development."""
        name, purpose = self.project.environment, self.project.purpose
        return name if purpose in (name, "development") else f"{name} ({purpose})"

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data; contents of files and secrets are not part of it."""
        return {
            "kind": self.kind,
            "project": self.project.project,
            "environment": self.project.environment,
            "purpose": self.project.purpose,
            "strategy": self.project.target.strategy,
            "release": self.release.id,
            "version": self.release.version,
            "previous": self.previous_version or None,
            "nothing_to_do": self.nothing_to_do,
            "notes": list(self.notes),
            "hooks": [] if self.nothing_to_do else self.hooks(),
            "hosts": [
                {
                    "host": host.address,
                    "steps": [
                        {"stage": s.stage, "sign": s.sign, "service": s.service or None, "does": s.describe()}
                        for s in host.steps
                    ],
                }
                for host in self.hosts
            ],
        }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def plan(
    kind: Kind,
    project: Project,
    release: Release,
    model: ComposeModel,
    states: Sequence[HostState],
    layouts: Mapping[str, Layout],
    *,
    files: Mapping[str, tuple[tuple[str, bytes, int], ...]] | None = None,
    by: str,
    now: datetime.datetime,
) -> Plan:
    """The steps that make `release` the one that runs on every host.

    `files` are the contents of its folder, by host; none when the folder is there already, as in a rollback.
    """
    hosts = []
    notes: list[str] = []
    for number, state in enumerate(states):
        if state.unfinished:
            cut = state.unfinished
            notes.append(
                f"{state.address}: the deploy of {cut.version} by {cut.by} was cut off in: {cut.step or cut.phase}"
            )
        entry = HistoryEntry(release.id, release.version, kind, f"{now.isoformat(timespec='seconds')}", by)
        one = _HostPlanner(
            kind, project, release, model, state, layouts[state.address], entry, (files or {}).get(state.address, ())
        )
        hosts.append(one.plan(first=number == 0))
    if len(states) > 1 and model.stores and any(host.of("migrate") for host in hosts):
        stores = ", ".join(store.name for store in model.stores)
        notes.append(f"migrations run on {states[0].address} only, but every host has its own {stores}")
    previous = next((state.release.version for state in states if state.release), "")
    return Plan(kind, project, release, model, previous, tuple(hosts), tuple(notes))


class _HostPlanner:
    def __init__(
        self,
        kind: Kind,
        project: Project,
        release: Release,
        model: ComposeModel,
        state: HostState,
        layout: Layout,
        entry: HistoryEntry,
        files: tuple[tuple[str, bytes, int], ...],
    ) -> None:
        self.kind = kind
        self.project = project
        self.release = release
        self.model = model
        self.state = state
        self.layout = layout
        self.entry = entry
        self.files = files
        self.previous = state.current if state.release else ""
        self.apps = tuple(app for app in model.apps if app.name in release.images)
        self.serving = serving(project, state)

    def plan(self, *, first: bool) -> HostPlan:
        if self._is_there():
            return HostPlan(self.state.address, self.previous, (), self.serving)
        planned = [
            *self._files(),
            *self._pull(),
            *self._stores(),
            *self._proxy(),
            *(self._migrations() if first and self.kind == "deploy" else ()),
            *self._rollout(),
            *self._finish(),
        ]
        return HostPlan(self.state.address, self.previous, tuple(planned), self.serving)

    def _is_there(self) -> bool:
        """Whether this release, and nothing else, runs here as it should."""
        state = self.state
        if state.current != self.release.id or state.unfinished or any(state.of(name) for name in self._gone()):
            return False
        if has_proxy(self.project) and (not (state.proxy and state.proxy.running) or self._config_differs()):
            return False
        if any(self._store_action(store) for store in self.model.stores):
            return False
        return all(
            len(state.of(app.name)) == self.release.replicas[app.name] == len(self._kept(app.name)) for app in self.apps
        )

    def _files(self) -> Iterator[Step]:
        if self.files:
            yield steps.StageFiles(release=self.release.id, files=self.files)

    def _pull(self) -> Iterator[Step]:
        refs = [image.ref for name, image in self.release.images.items() if not image.image_id]
        refs += [store.image for store in self.model.stores]
        refs += [self.project.proxy.image] if has_proxy(self.project) else []
        missing = tuple(dict.fromkeys(ref for ref in refs if ref and not self.state.has_image(ref)))
        if missing:
            yield steps.Pull(refs=missing)

    def _store_action(self, store: ComposeService) -> Literal["create", "start", "recreate"] | None:
        there = self.state.of(store.name)
        if not there:
            return "create"
        if any(container.definition != store.definition for container in there):
            return "recreate"
        done = [c for c in there if c.status == "exited" and not c.exit_code and store.one_shot and not c.check]
        return None if all(container.running or container in done for container in there) else "start"

    def _stores(self) -> Iterator[Step]:
        for store in self.model.stores:
            action = self._store_action(store)
            if action:
                yield steps.Store(
                    service=store.name,
                    release=self.release.id,
                    image=store.image,
                    action=action,
                    previous=self.previous,
                )

    def _config_differs(self) -> bool:
        return shape(self.state.proxy_config) != shape(render(self.project, self.model, {}))

    def _proxy(self) -> Iterator[Step]:
        if not has_proxy(self.project):
            return
        there = self.state.proxy
        action: Literal["create", "start", "recreate", "reload"] | None = None
        if there is None:
            action = "create"
        elif self.kind == "deploy" and there.definition != digest(
            proxy_service(self.project, self.model, self.layout.proxy)
        ):
            action = "recreate"
        elif not there.running:
            action = "start"
        elif self._config_differs():
            action = "reload"
        if action:
            yield steps.EnsureProxy(
                release=self.release.id,
                image=self.project.proxy.image,
                port=self.project.proxy.port,
                action=action,
                previous=self.previous,
                model=self.model,
                old_config=self.state.proxy_config,
            )

    def _migrations(self) -> Iterator[Step]:
        for app in self.apps:
            command = self.project.services[app.name].migrate
            if command:
                yield steps.Migrate(service=app.name, release=self.release.id, command=command)

    def _kept(self, service: str) -> tuple[Container, ...]:
        """Containers that are what is wanted already."""
        good = [
            container
            for container in self.state.of(service)
            if container.release == self.release.id and container.running and container.health in ("healthy", "none")
        ]
        return tuple(good[: self.release.replicas[service]])

    def _gone(self) -> tuple[str, ...]:
        """Services whose containers run here but that neither the release nor the Compose file has any more."""
        known = {PROXY, *(app.name for app in self.apps), *(store.name for store in self.model.stores)}
        return tuple(dict.fromkeys(c.service for c in self.state.containers if c.service not in known))

    def _rollout(self) -> Iterator[Step]:
        for app in self.apps:
            yield from self._roll(app)
        for name in self._gone():
            running = tuple(container.name for container in self.state.of(name) if container.running)
            if running:
                yield steps.Stop(service=name, containers=running, routed=False)

    def _roll(self, app: ComposeService) -> Iterator[Step]:
        settings = self.project.services[app.name]
        there = self.state.of(app.name)
        kept = self._kept(app.name)
        old = [container.name for container in there if container.running and container not in kept]
        number = max((container.number for container in there), default=0)
        wanted = self.release.replicas[app.name] - len(kept)
        new = [f"{self.project.project}-{app.name}-{number + 1 + i}" for i in range(wanted)]
        routed = bool(settings.routes)
        names = tuple(container.name for container in kept)
        if routed and names:
            yield steps.Route(service=app.name, containers=names, routed=True, model=self.model)
        total = len(there)
        moves = strategies.rolling(
            old,
            new,
            batch=self.project.deploy.batch,
            routed=routed,
            stop_first=settings.stop_first or app.has_volumes,
        )
        for move in moves:
            if move.move == "start":
                total += len(move.containers)
            yield self._move(move, app, routed, total)

    def _move(self, move: strategies.Moves, app: ComposeService, routed: bool, total: int) -> Step:
        if move.move == "start":
            return steps.Start(
                service=app.name,
                containers=move.containers,
                routed=routed,
                release=self.release.id,
                version=self.release.version,
                total=total,
                networks=tuple(self.model.networks.get(name, name) for name in app.networks),
            )
        if move.move == "route":
            return steps.Route(service=app.name, containers=move.containers, routed=routed, model=self.model)
        if move.move == "drain":
            return steps.Drain(service=app.name, containers=move.containers, routed=routed, model=self.model)
        return steps.Stop(service=app.name, containers=move.containers, routed=routed)

    def _finish(self) -> Iterator[Step]:
        kept = {container.name for app in self.apps for container in self._kept(app.name)}
        new = tuple(name for step in self._rollout() if isinstance(step, steps.Start) for name in step.containers)
        if new:
            yield steps.Stabilise(containers=new, seconds=self.project.deploy.stabilise)
        if self.state.current != self.release.id:
            yield steps.MarkCurrent(release=self.release, kind=self.kind, entry=self.entry, previous=self.previous)
        services = {*(app.name for app in self.apps), *self._gone()}
        stale = tuple(c.name for c in self.state.containers if c.service in services and c.name not in kept)
        releases, refs = self._prune()
        releases += tuple(name for name in self.state.partial if name != self.release.id)
        if stale or releases:
            yield steps.CleanUp(containers=stale, releases=releases, refs=refs)

    def _prune(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Releases past the limit, and the images that only they used. The way back is never cut."""
        if self.kind == "rollback":
            return (), ()
        history = (*self.state.history, self.entry)
        order = [entry.release for entry in way_back(history)]
        rest = [release.id for release in reversed(self.state.releases) if release.id not in order]
        keep = set((order + rest)[: self.project.deploy.keep])
        gone = [release for release in self.state.releases if release.id not in keep]
        used = {image.ref for r in self.state.releases if r.id in keep for image in r.images.values()}
        used |= {image.ref for image in self.release.images.values()}
        refs = dict.fromkeys(i.ref for r in gone for i in r.images.values() if i.ref not in used and not i.image_id)
        return tuple(release.id for release in gone), tuple(refs)


def serving(project: Project, state: HostState) -> dict[str, tuple[str, ...]]:
    """What gets traffic now: the containers that the proxy's file names, as far as they run."""
    named = re.findall(r"^    server s\d+ ([A-Za-z0-9_.-]+):\d+ ", state.proxy_config, re.MULTILINE)
    found = {}
    for name, service in project.services.items():
        if service.routes:
            running = [container.name for container in state.of(name) if container.running]
            found[name] = tuple(container for container in named if container in running)
    return found
