"""What the tasks need on this machine and in the repository. Only what the configuration makes use of is looked for."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from shiptasks.build import engine
from shiptasks.build.plan import plan as plan_build
from shiptasks.check.preset import Preset, Request
from shiptasks.check.presets import PRESETS
from shiptasks.check.sections import LintStage, TestStage
from shiptasks.config.model import Project
from shiptasks.deploy.preflight import OLDEST_COMPOSE, OLDEST_ENGINE, number
from shiptasks.doctor.model import Finding
from shiptasks.errors import Failed, Refused, UsageError
from shiptasks.run import process

MACHINE, REPOSITORY = "this machine", "repository"
_ROOM = 2_000_000_000  # bytes; a build of a small product takes about that
_INSTALL_DOCKER = "https://docs.docker.com/engine/install/ (Debian, Ubuntu: apt-get install docker.io docker-buildx)"


def look(project: Project, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Every finding about this machine and the repository. Raises nothing: what cannot be asked is a finding."""
    yield from _python()
    yield from _git(project)
    yield from _room(project)
    yield from _commands(project, environ)
    if not project.services and not project.containers:
        yield Finding(MACHINE, "Docker", "skip", "no service is configured: nothing is built or deployed")
        return
    yield from _docker(project)
    if not project.services:
        return
    yield from _sources(project)
    yield from _registry(project, environ)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("invoke", "fabric"))
    old = sys.version_info < (3, 10)
    remedy = "install Python 3.10 or later" if old else ""
    yield Finding(MACHINE, "Python", "fail" if old else "ok", f"{version}, {packages}", remedy)


def _git(project: Project) -> Iterator[Finding]:
    if shutil.which("git") is None:
        remedy = "apt-get install git, or brew install git"
        yield Finding(MACHINE, "git", "warn", "the git command was not found: versions must be named", remedy)
        return
    if _asked(project, "git", "rev-parse", "--git-dir") is None:
        yield Finding(REPOSITORY, "git", "warn", "this is no git repository: versions must be named", "git init")
        return
    if _asked(project, "git", "rev-parse", "--is-shallow-repository") == "true":
        remedy = "git fetch --unshallow --tags; in CI: fetch-depth: 0"
        yield Finding(REPOSITORY, "git", "warn", "a shallow clone: tags that name the version may be missing", remedy)
    else:
        yield Finding(REPOSITORY, "git", "ok", "a whole clone")
    ignored = _asked(project, "git", "check-ignore", ".shiptasks/x")
    if ignored is None:
        remedy = "echo .shiptasks/ >> .gitignore"
        yield Finding(
            REPOSITORY, ".gitignore", "warn", ".shiptasks/ is not ignored: run logs would be committed", remedy
        )


def _room(project: Project) -> Iterator[Finding]:
    free = shutil.disk_usage(project.root).free
    told = f"{free / 1e9:.1f} GB free"
    few = free < _ROOM
    remedy = "make room, e.g. docker system prune" if few else ""
    yield Finding(MACHINE, "disk", "warn" if few else "ok", told, remedy)
    folder = next(each for each in (project.state_dir, project.root) if each.exists())
    if not os.access(folder, os.W_OK):
        remedy = f"sudo chown -R $USER {folder}"
        yield Finding(REPOSITORY, "run log", "fail", f"{folder} cannot be written to", remedy)


def _commands(project: Project, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The programs of lint, test and hooks, found as `inv check` finds them: beside this Python first."""
    path = os.pathsep.join((str(Path(sys.executable).parent), environ.get("PATH", os.defpath)))
    for kind, commands in (("lint", project.lint), ("test", project.test)):
        for name, stage in commands.items():
            preset = PRESETS[stage.preset] if stage.preset else None
            try:
                program = _tool(project, preset, stage) if preset else process.command_line(stage.command or "")[0]
            except UsageError as error:
                where = project.where(kind, name)
                yield Finding(REPOSITORY, f"{kind} {name}", "fail", error.what, f"correct {where}")
                continue
            found = shutil.which(program, path=path) or (project.root / program).exists()
            if found:
                yield Finding(REPOSITORY, f"{kind} {name}", "ok", f"{program} is there")
            else:
                line = preset.install if preset else f"pip install {Path(program).name}"
                remedy = f"install it into this environment, e.g. {line}"
                yield Finding(REPOSITORY, f"{kind} {name}", "fail", f"{program} was not found", remedy)


def _tool(project: Project, preset: Preset, stage: LintStage | TestStage) -> str:
    """The program of a preset, which may be in `node_modules` near the folder that it runs in."""
    cwd = project.root / (stage.folder or ".")
    try:
        return preset.command(Request(project.root, cwd, project.state_dir, args=stage.args, paths=stage.paths))[0]
    except Failed:  # there is nothing for it to look at yet
        return preset.version[0] if preset.version else preset.name


def _docker(project: Project) -> Iterator[Finding]:
    if shutil.which("docker") is None:
        yield Finding(MACHINE, "Docker", "fail", "the docker command was not found", f"install it: {_INSTALL_DOCKER}")
        return
    try:
        found = engine.preflight(project.root)
    except Refused as error:
        yield Finding(
            MACHINE, "Docker", "fail", f"{error.what} ({error.where})" if error.where else error.what, error.hint
        )
        return
    old = number(found.version) < OLDEST_ENGINE
    remedy = f"install {OLDEST_ENGINE[0]} or later: {_INSTALL_DOCKER}" if old else ""
    told = f"Engine {found.version}, buildx {'.'.join(map(str, found.buildx))} with the driver {found.driver}"
    yield Finding(MACHINE, "Docker", "fail" if old else "ok", told, remedy)
    compose = (_asked(project, "docker", "compose", "version", "--short") or "").removeprefix("v")
    if not compose:
        remedy = "apt-get install docker-compose-plugin (Docker's packages) or docker-compose (Debian)"
        yield Finding(MACHINE, "Compose", "fail", "the docker command has no Compose v2", remedy)
    elif number(compose) < OLDEST_COMPOSE:
        remedy = f"install {'.'.join(map(str, OLDEST_COMPOSE))} or later"
        yield Finding(MACHINE, "Compose", "fail", f"{compose} is too old", remedy)
    else:
        yield Finding(MACHINE, "Compose", "ok", compose)


def _sources(project: Project) -> Iterator[Finding]:
    for target in plan_build(project, "0", "").targets:
        key = "dockerfile" if project.services[target.service].dockerfile else "context"
        where = project.where("services", target.service, key)
        name = f"service {target.service}"
        if not target.context.is_dir():
            yield Finding(
                REPOSITORY, name, "fail", f"there is no folder {_short(project, target.context)}", f"correct {where}"
            )
        elif not target.dockerfile.is_file():
            told = f"there is no {_short(project, target.dockerfile)}"
            yield Finding(REPOSITORY, name, "fail", told, f"write it, or correct {where}")
        else:
            yield Finding(REPOSITORY, name, "ok", f"built from {_short(project, target.dockerfile)}")
    file = project.root / project.compose_file
    if not file.is_file():
        needed = bool(project.environments)
        told = f"there is no {project.compose_file}; {'deploys need it' if needed else 'a deploy will need it'}"
        remedy = f"write it, or correct {project.where('compose-file')}"
        yield Finding(REPOSITORY, "Compose file", "fail" if needed else "warn", told, remedy)
    else:
        yield Finding(REPOSITORY, "Compose file", "ok", project.compose_file)


def _registry(project: Project, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether `docker login` was done. No token is read: only that there is one, or a helper that has them."""
    remote = any(not host.is_local for each in project.environments.values() for host in each.hosts)
    if not project.registry:
        if remote:
            remedy = 'add registry = "ghcr.io/acme" to [tool.shiptasks]'
            told = "none is configured, and hosts over SSH take images from one"
            yield Finding(REPOSITORY, "registry", "fail", told, remedy)
        return
    host = project.registry.split("/")[0]
    host = host if "." in host or ":" in host or host == "localhost" else "https://index.docker.io/v1/"
    path = Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        known = {*config.get("auths", {}), *config.get("credHelpers", {})}
        there = bool(config.get("credsStore")) or any(host in each for each in known)
    except (OSError, ValueError, AttributeError, TypeError):
        there = False
    if there:
        yield Finding(MACHINE, "registry", "ok", f"a login for {host} is there")
    else:
        told = f"no login for {host}: a push may be refused, unless the registry wants none"
        yield Finding(MACHINE, "registry", "warn", told, f"docker login {host}")


def _short(project: Project, path: Path) -> str:
    return os.path.relpath(path, project.root)


def _asked(project: Project, *argv: str) -> str | None:
    """What a command says; None when it fails."""
    try:
        result = process.run(argv, cwd=project.root, check=False, timeout=20)
    except (process.NotInstalled, process.ProcessTimeout):
        return None
    return result.stdout.strip() if result.ok else None
