"""What the tasks need of each environment: its file and secrets here, and its hosts, in one session each."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shiptasks.config.model import Project
from shiptasks.deploy.layout import layout
from shiptasks.deploy.preflight import host_problems
from shiptasks.deploy.state import HostState
from shiptasks.deploy.state import look as look_at
from shiptasks.doctor.model import Finding
from shiptasks.envfile.check import check as check_file
from shiptasks.errors import ShiptasksError
from shiptasks.hosts import connect, fleet
from shiptasks.hosts.base import Host, Session

_FACTS = "date +%s; uname -m; awk '/MemAvailable/ {print $2}' /proc/meminfo 2>/dev/null || :"
_CLOCK = 5.0  # seconds that two clocks may differ: certificates, locks and logs suffer from more
_MEMORY = 256_000_000  # bytes


def look(project: Project, environ: Mapping[str, str] = os.environ, *, offline: bool = False) -> Iterator[Finding]:
    """Every finding about the chosen environment of `project`."""
    group = f"environment {project.environment}"
    yield from _file(project, group)
    yield from _secrets(project, group, environ)
    if offline:
        yield Finding(group, "hosts", "skip", "not asked: --offline")
    elif not project.services:
        yield Finding(group, "hosts", "skip", "no service is configured: nothing is deployed")
    else:
        yield from _hosts(project, group)


def _file(project: Project, group: str) -> Iterator[Finding]:
    name = project.target.env_file
    if name is None:
        return
    try:
        content = (project.root / name).read_bytes()
    except OSError as error:
        told = f"{name} cannot be read: {error.strerror}"
        yield Finding(group, "environment file", "fail", told, f"inv env.create --env={project.environment}")
        return
    try:
        report = check_file(project, content)
    except ShiptasksError as error:
        yield Finding(group, "environment file", "fail", error.what, error.hint)
        return
    for finding in report.findings:
        outcome = "fail" if finding.level == "error" else "warn"
        told = f"{finding.where}: {finding.what}"
        yield Finding(group, "environment file", outcome, told, finding.remedy)  # type: ignore[arg-type]
    if not report.findings:
        yield Finding(group, "environment file", "ok", f"{name}, {report.variables} variables")


def _secrets(project: Project, group: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each source is there. Nothing is decrypted, and no command is run."""
    for name, source in project.secrets.items():
        where = project.where("secrets", name)
        label = f"secret {name}"
        program = "sops" if source.sops else source.command[0] if source.command else ""
        file = source.file or source.sops
        if source.env and not environ.get(source.env):
            yield Finding(
                group, label, "fail", f"the variable {source.env} is not set", f"export {source.env}=… ({where})"
            )
        elif program and shutil.which(program) is None:
            yield Finding(group, label, "fail", f"{program} was not found", f"install it, or correct {where}")
        elif file and not (project.root / file).is_file():
            yield Finding(group, label, "fail", f"there is no file {file}", f"write it, or correct {where}")
        else:
            yield Finding(group, label, "ok", f"from {source.env or file or program}")


@dataclass(frozen=True)
class _Facts:
    state: HostState
    offset: float
    machine: str
    memory: int


def _hosts(project: Project, group: str) -> Iterator[Finding]:
    hosts = {address: connect(project, address) for address in project.target.hosts}
    addresses = {id(host): address for address, host in hosts.items()}

    def one(host: Host) -> _Facts:
        with host.session() as session:
            return _facts(session, project, addresses[id(host)])

    try:
        outcomes = fleet.each(list(hosts.values()), one)
    finally:
        for host in hosts.values():
            host.close()
    for (address, _), outcome in zip(hosts.items(), outcomes, strict=True):
        where = f"{group}, {address}"
        if outcome.error is not None or outcome.value is None:
            error = outcome.error
            known = error if isinstance(error, ShiptasksError) else None
            told = known.what if known else f"{type(error).__name__}: {error}"
            yield Finding(where, "access", "fail", told, known.hint if known else "")
        else:
            yield from _host(project, where, address == "local", outcome.value)


def _facts(session: Session, project: Project, address: str) -> _Facts:
    before = time.time()
    lines = session.run(_FACTS, timeout=20).stdout.split()
    middle = (before + time.time()) / 2
    clock, machine, *memory = lines
    state = look_at(session, project, layout(project, address), address)
    return _Facts(state, float(clock) + 0.5 - middle, machine, int(memory[0]) * 1024 if memory else 0)


def _host(project: Project, where: str, local: bool, facts: _Facts) -> Iterator[Finding]:
    problems = list(host_problems(project, facts.state))
    for problem in problems:
        told, _, remedy = problem.partition("; ")
        yield Finding(where, "host", "fail", told, remedy)
    if not local and abs(facts.offset) > _CLOCK:
        told = f"its clock is {abs(facts.offset):.0f} s {'ahead' if facts.offset > 0 else 'behind'}"
        yield Finding(where, "clock", "warn", told, "sudo timedatectl set-ntp true, on the host")
    if 0 < facts.memory < _MEMORY:
        told = f"{facts.memory / 1e6:.0f} MB of memory are left"
        yield Finding(where, "memory", "warn", told, "a deploy runs old and new containers side by side: make room")
    if facts.state.unfinished:
        told = f"a deploy of {facts.state.unfinished.version} was cut off"
        yield Finding(where, "release", "warn", told, f"inv deploy --env={project.environment}, or inv rollback")
    if not problems:
        state = facts.state
        told = f"Engine {state.engine}, Compose {state.compose}, {facts.machine}, {state.disk_free / 1e9:.0f} GB free"
        yield Finding(where, "host", "ok", told)


def names(project: Project, chosen: str) -> Sequence[str]:
    """The environments to look at."""
    return (chosen,) if chosen else tuple(project.environments)
