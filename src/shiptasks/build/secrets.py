"""Secrets and keys that a build may read while it runs, and attestations: entries of the bake file.

A secret's value is never among them. An entry says the variable or the file where buildx finds it, and BuildKit hands
it to the one `RUN --mount=type=secret` that asks, outside of the image and its history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from shiptasks.build.entry import entry
from shiptasks.build.sections import Build
from shiptasks.config.model import Project
from shiptasks.errors import UsageError

LARGEST = 500 * 1024
"""Bytes that BuildKit takes for a secret."""
AGENT = "SSH_AUTH_SOCK"


def secrets_of(project: Project, service: str) -> tuple[str, ...]:
    """The secrets of a service's build: `type=env,id=npm,env=NPM_TOKEN`, `type=file,id=npmrc,src=…`."""
    found = []
    for name, secret in project.services[service].build_secrets.items():
        if secret.env is not None:
            found.append(entry("env", id=name, env=secret.env))
        else:
            found.append(entry("file", id=name, src=str(_path(project, secret.file or ""))))
    return tuple(found)


def ssh_of(project: Project, service: str) -> tuple[str, ...]:
    """What the service's build may reach over SSH: `default` is the agent, `github=/…/id_ed25519` a key."""
    found = []
    for one in project.services[service].ssh:
        name, _, path = one.partition("=")
        found.append(f"{name}={_path(project, path)}" if path else name)
    return tuple(found)


def attest_of(build: Build) -> tuple[str, ...]:
    """The attestations of every image: `type=provenance,mode=min`, `type=sbom`; nothing where none is wanted."""
    provenance = (entry("provenance", mode=build.provenance),) if build.provenance != "none" else ()
    return (*provenance, *((entry("sbom"),) if build.sbom else ()))


def check_given(project: Project, services: Iterable[str], environ: Mapping[str, str]) -> None:
    """Raises UsageError that names every secret and key of the services that is not there, with its place."""
    missing = [
        (at, f"{'.'.join(at)}: {what}") for service in services for at, what in _missing(project, service, environ)
    ]
    if missing:
        count = len(missing)
        raise UsageError(
            f"{count} secret{'s' if count > 1 else ''} or key{'s' if count > 1 else ''} of the build cannot be had",
            where=project.where(*missing[0][0]),
            now="nothing was built",
            hint="set the variable, or write the file; never the secret itself into pyproject.toml",
            details=tuple(line for _, line in missing),
        )


def values_of(project: Project, services: Iterable[str], environ: Mapping[str, str]) -> Iterator[str]:
    """The secrets themselves, for `bus.secrets.add`: a build that prints one prints `***`. After `check_given`."""
    for service in services:
        for secret in project.services[service].build_secrets.values():
            if secret.env is not None:
                yield environ[secret.env]
            else:
                yield _path(project, secret.file or "").read_text(encoding="utf-8", errors="replace")


def _missing(project: Project, service: str, environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    settings = project.services[service]
    for name, secret in settings.build_secrets.items():
        at = ("services", service, "build-secrets", name)
        if secret.env is not None and not environ.get(secret.env):
            yield (*at, "env"), f"the variable {secret.env} is not set"
        if secret.file is not None and (problem := _unreadable(_path(project, secret.file))):
            yield (*at, "file"), f"{secret.file} {problem}"
    for one in settings.ssh:
        name, _, path = one.partition("=")
        if not path and not (environ.get(AGENT) and Path(environ[AGENT]).exists()):
            yield (
                ("services", service, "ssh"),
                f"{name}: no SSH agent answers ({AGENT} is not set, or its socket is gone)",
            )
        elif path and not _path(project, path).exists():
            yield ("services", service, "ssh"), f"{name}: there is no key {path}"


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = len(file.read(LARGEST + 1))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"is larger than the {LARGEST // 1024} KB that BuildKit takes" if size > LARGEST else ""


def _path(project: Project, path: str) -> Path:
    return project.root / Path(path).expanduser()
