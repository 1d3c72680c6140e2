"""What a deploy is made from: the environment file with its secrets, and a build's manifest made a release."""

from __future__ import annotations

import datetime
import re

from shiptasks.build.manifest import Manifest
from shiptasks.config.model import Project, Service
from shiptasks.deploy import compose
from shiptasks.deploy.compose import ComposeModel
from shiptasks.deploy.on_host import Names
from shiptasks.deploy.release import Release, ReleaseImage
from shiptasks.envfile import sources
from shiptasks.envfile.check import check
from shiptasks.envfile.dotenv import parse
from shiptasks.envfile.template import find
from shiptasks.errors import UsageError
from shiptasks.run.events import Bus
from shiptasks.run.secrets import Secrets

_SECRET = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|PRIVATE|DSN", re.IGNORECASE)


def environment(project: Project, bus: Bus) -> bytes:
    """What travels to the hosts as the environment file: the environment's own, and the secrets behind it.

    The file is checked first, as `inv env` checks it; warnings are told. All secret values are masked from here on.
    Raises UsageError when the file cannot be read or used, or a secret cannot be had.
    """
    content = environment_file(project, bus.secrets)
    report = check(project, content)
    if report.errors:
        count = len(report.errors)
        raise UsageError(
            f"the environment file of {project.environment} is not fit for a deploy: {count} error{'s' * (count > 1)}",
            where=report.file,
            now="nothing was run",
            hint=f"inv env --env={project.environment}",
            details=tuple(each.text for each in report.errors),
        )
    for each in report.warnings:
        bus.notice(each.text, "warning")
    return sources.merged(content, sources.resolve(project, bus.secrets))


def environment_file(project: Project, secrets: Secrets) -> bytes:
    """The content of the chosen environment's file; its secret values are masked from here on.

    Raises UsageError when it cannot be read.
    """
    name = project.target.env_file
    if name is None:
        return b""
    path = project.root / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the environment file {name} cannot be read: {error.strerror}",
            where=str(path),
            now="nothing was run",
            hint=f"inv env.create --env={project.environment}" if find(project.root) else f"write {name}",
        ) from error
    mask(content.decode("utf-8-sig", "replace"), secrets)
    return content


def mask(environment: str, secrets: Secrets) -> None:
    """Mask the values of an environment file whose names look like secrets."""
    for name, value in parse(environment.encode("utf-8", "replace")).values.items():
        if _SECRET.search(name):
            secrets.add(value)


def release_of(
    project: Project, model: ComposeModel, manifest: Manifest, env: bytes, now: datetime.datetime, who: Names
) -> Release:
    """The release that a build makes with the files as they are now.

    Raises UsageError when the build lacks a service, or was not pushed and the hosts are elsewhere.
    """
    images = {}
    missing = []
    local = set(project.target.hosts) == {"local"}
    for name in project.services:
        built = manifest.image(name)
        if built is None:
            missing.append(name)
        elif built.digest:
            images[name] = ReleaseImage(built.ref)
        elif local:
            images[name] = ReleaseImage(built.image_id, image_id=built.image_id)
        else:
            raise UsageError(
                f"{manifest.version} was built but not pushed: only this machine has its images",
                where=f"environment {project.environment}, hosts {', '.join(project.target.hosts)}",
                now="nothing was changed",
                hint=f"inv build --version={manifest.version} --push",
            )
    if missing:
        raise UsageError(
            f"the build of {manifest.version} has no image of {', '.join(missing)}",
            now="nothing was changed",
            hint=f"inv build --version={manifest.version}",
        )
    replicas = {name: service.replicas for name, service in project.services.items()}
    services = {name: service.model_dump(mode="json", by_alias=True) for name, service in project.services.items()}
    proxy = compose.proxy_service(project, model, "") if compose.has_proxy(project) else {}
    runs = {
        "images": {name: image.ref for name, image in images.items()},
        "replicas": replicas,
        "compose": model.text,
        "environment": compose.digest(env.decode(errors="replace")),
        "services": services,
        "proxy": proxy,
    }
    return Release(
        id=who.deploy,
        project=project.project,
        environment=project.environment,
        version=manifest.version,
        revision=manifest.revision,
        created=now.isoformat(timespec="seconds"),
        by=who.by,
        images=images,
        replicas=replicas,
        fingerprint=compose.digest(runs),
        services=services,
    )


def as_configured(project: Project, release: Release) -> Project:
    """The project with the services as they were when the release was made."""
    if not release.services:
        return project
    services = {name: Service.model_validate(dict(settings)) for name, settings in release.services.items()}
    return project.model_copy(update={"services": services})
