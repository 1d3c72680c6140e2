"""The operations that people ask for, each the same story: connect, lock, look, check, plan, apply.

`deploy` and `rollback` differ only in where the release comes from. What is printed and what exits how is the
business of tasks/deploy.py.
"""

from __future__ import annotations

import datetime
import getpass
import json
import socket
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from shiptasks import verify
from shiptasks.build import manifest as manifests
from shiptasks.config.model import Project
from shiptasks.config.suggest import nearest
from shiptasks.deploy import compose, inputs, preflight
from shiptasks.deploy.apply import apply
from shiptasks.deploy.compose import ComposeModel
from shiptasks.deploy.layout import Layout
from shiptasks.deploy.on_host import Names, release_files
from shiptasks.deploy.plan import Plan, plan
from shiptasks.deploy.release import Release, new_id, way_back
from shiptasks.deploy.site import Site
from shiptasks.deploy.state import HostState
from shiptasks.errors import Failed, Refused, UsageError
from shiptasks.hosts.base import Session, quote
from shiptasks.run.events import Bus
from shiptasks.run.hooks import Hooks

Show = Callable[[Plan], None]
"""Given the plan before anything is changed."""

_VERIFY_WAIT = 15.0


def deploy(
    project: Project, bus: Bus, version: str | None, *, plan_only: bool, show: Show, hooks: Hooks | None = None
) -> Plan:
    """Deploy a build to the chosen environment; the latest build when `version` is None.

    Raises UsageError, Refused, FailedRestored, FailedNotRestored, Interrupted.
    """
    env = inputs.environment(project, bus)
    manifest = manifests.load(project, version)
    model = compose.read(project, env)
    now = _now()
    who = Names(new_id(manifest.version, now), manifest.version, _who())
    release = inputs.release_of(project, model, manifest, env, now, who)
    with Site(project, bus) as site, nullcontext() if plan_only else site.locked(who):
        overlays = {
            address: compose.overlay(project, model, release, layout.proxy) for address, layout in site.layouts.items()
        }
        states = site.look()
        preflight.check(project, release, states)
        there = {
            state.current for state in states if state.release and state.release.fingerprint == release.fingerprint
        }
        if len(there) == 1 and all(state.current in there for state in states):
            # The same again: make that release whole, rather than put an equal one beside it.
            release, overlays = next(state.release for state in states if state.release), {}
        files = {address: release_files(release, model.text, overlay, env) for address, overlay in overlays.items()}
        planned = plan("deploy", project, release, model, states, site.layouts, files=files, by=who.by, now=now)
        return _go(planned, site, who, bus, plan_only, show, hooks)


def rollback(
    project: Project, bus: Bus, version: str | None, *, plan_only: bool, show: Show, hooks: Hooks | None = None
) -> Plan:
    """Go back to the release before the current one, or to that of a version.

    After a deploy that was cut off, the way back is the current release itself. Raises as `deploy` does.
    """
    now = _now()
    with Site(project, bus) as site:
        who = Names(f"rollback-{now:%Y%m%dT%H%M%SZ}", version or "the release before", _who())
        with nullcontext() if plan_only else site.locked(who):
            states = site.look()
            release = _target(project, states, version)
            project = inputs.as_configured(project, release)
            model = _model_of(project, site, release, bus)
            who = Names(who.deploy, release.version, who.by)
            preflight.check(project, release, states, needs_room=False)
            planned = plan("rollback", project, release, model, states, site.layouts, by=who.by, now=now)
            return _go(planned, site, who, bus, plan_only, show, hooks)


def _go(planned: Plan, site: Site, who: Names, bus: Bus, plan_only: bool, show: Show, hooks: Hooks | None) -> Plan:
    show(planned)
    if not plan_only and not planned.nothing_to_do:
        apply(planned, site.on_hosts(who, planned.project), bus, lambda: _verify(planned, site, bus), hooks)
    return planned


def _verify(planned: Plan, site: Site, bus: Bus) -> None:
    one = expected(planned.release, tuple(store.name for store in planned.model.stores))
    report = verify.run(planned.project, site.hosts, dict.fromkeys(site.hosts, one), bus, wait=_VERIFY_WAIT)
    wrong = [result for result in report.results if result.status in ("fail", "error")]
    if wrong:
        raise Failed(
            f"verification failed: {wrong[0].target}: {wrong[0].verdict.detail}",
            where=wrong[0].host or planned.project.target.url,
            details=tuple(f"{one.status} {one.target}: {one.verdict.detail}" for one in wrong),
        )


def expected(release: Release, stores: tuple[str, ...] | None = None) -> verify.Expected:
    """What verify has to find where a release is current."""
    return verify.Expected(
        version=release.version,
        release=release.id,
        images={name: image.ref for name, image in release.images.items()},
        replicas=dict(release.replicas),
        stores=stores,
    )


def read_release(session: Session, project: Project, address: str) -> Release | None:
    """The current release on a host; None where nothing is deployed. Raises Failed when it cannot be read."""
    from shiptasks.deploy.layout import layout

    path = quote(f"{layout(project, address).current}/release.json")
    text = session.run(f"cat {path} 2>/dev/null || :", timeout=20).stdout
    try:
        return Release.from_json(text) if text.strip() else None
    except ValueError as error:
        raise Failed(
            "the current release cannot be read",
            where=f"{address}:{layout(project, address).current}/release.json",
            hint=f"inv deploy --env={project.environment} writes a new one",
        ) from error


@dataclass(frozen=True)
class Status:
    """An environment as it is: the state of each host."""

    states: tuple[HostState, ...]


def status(project: Project, bus: Bus) -> Status:
    """Look at every host of the environment, and change nothing."""
    with Site(project, bus) as site:
        return Status(site.look())


def down(project: Project, bus: Bus, *, volumes: bool) -> None:
    """Take the project off every host of the environment: containers, networks, releases; data only with `volumes`."""
    who = Names("down", "nothing", _who())
    with Site(project, bus) as site, site.locked(who):
        for on in site.on_hosts(who):
            with bus.step("remove containers and networks" + (" and volumes" if volumes else ""), host=on.address):
                on.run(_down_script(project, on.layout, volumes), timeout=300)


def _down_script(project: Project, layout: Layout, volumes: bool) -> str:
    label = quote(f"label=com.docker.compose.project={project.project}")
    kinds = [("container", "ls --all --quiet", "rm --force --volumes"), ("network", "ls --quiet", "rm")]
    kinds += [("volume", "ls --quiet", "rm")] if volumes else []
    script = "failed=0\n"
    for kind, ls, rm in kinds:
        script += f"ids=$(docker {kind} {ls} --filter {label}) || exit 1\n"
        if kind == "container":
            script += '[ -z "$ids" ] || docker stop $ids >/dev/null || failed=1\n'
        script += f'[ -z "$ids" ] || docker {kind} {rm} $ids || failed=1\n'
    # The lock is held while this runs: its file stays.
    paths = (layout.releases, layout.current, layout.proxy, layout.history, layout.journal)
    return script + f"rm -rf {' '.join(quote(path) for path in paths)} || failed=1\nexit $failed"


def _target(project: Project, states: Sequence[HostState], version: str | None) -> Release:
    wanted = {}
    for state in states:
        known = {release.id: release for release in state.releases}
        if version is not None:
            found = [release for release in state.releases if release.version == version]
            if not found:
                raise _no_such_release(project, state, version)
            wanted[state.address] = found[-1]
            continue
        stack = [entry for entry in way_back(state.history) if entry.release in known]
        if state.unfinished and state.current in known:
            wanted[state.address] = known[state.current]
        elif len(stack) > 1:
            wanted[state.address] = known[stack[1].release]
        else:
            raise Refused(
                "there is no release to go back to",
                where=state.address,
                now=f"{stack[0].version} is the first release here" if stack else "nothing is deployed here",
                hint=f"inv status --env={project.environment}",
            )
    ids = {release.id for release in wanted.values()}
    if len(ids) > 1:
        raise Refused(
            "the hosts would go back to different releases",
            where=", ".join(f"{address}: {release.version}" for address, release in wanted.items()),
            now="nothing was changed",
            hint=f"name the version: inv rollback --env={project.environment} --version=…",
        )
    return next(iter(wanted.values()))


def _no_such_release(project: Project, state: HostState, version: str) -> UsageError:
    versions = list(dict.fromkeys(release.version for release in reversed(state.releases)))
    near = nearest(version, versions)
    return UsageError(
        f"there is no release {version} on the host",
        where=state.address,
        now="nothing was changed",
        hint=(f"inv rollback --env={project.environment} --version={near or versions[0]}; " if versions else "")
        + (f"the releases there are: {', '.join(versions)}" if versions else "nothing is deployed there"),
    )


def _model_of(project: Project, site: Site, release: Release, bus: Bus) -> ComposeModel:
    """The Compose file of a release, read by Compose on the host that keeps it."""
    address, host = next(iter(site.hosts.items()))
    folder = site.layouts[address].release(release.id)
    user_file, overlay_file = (f"{folder}/{name}" for name in compose.FILES)
    command = f"docker compose --project-name {quote(project.project)} --file {quote(user_file)}"
    with host.session() as session:
        text = session.run(f"cat {quote(user_file)}", timeout=20).stdout
        overlay = session.run(f"cat {quote(overlay_file)}", timeout=20).stdout
        inputs.mask(session.run(f"cat {quote(f'{folder}/.env')}", timeout=20).stdout, bus.secrets)
        config = session.run(f"{command} --env-file {quote(f'{folder}/.env')} config --format json", timeout=60)
    model = compose.parse(json.loads(config.stdout), text, project)
    return compose.with_definitions(model, overlay)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
