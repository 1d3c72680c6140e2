"""The user's Compose file as values, and the file that shiptasks lays over it to pin one release.

Compose itself reads the user's file (`docker compose config`); what comes back is checked here against the
configuration, before anything travels. The overlay is written as JSON, which is YAML, so that no value of anybody's
needs quoting.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shiptasks.config.model import Project
from shiptasks.config.suggest import nearest
from shiptasks.deploy.release import Release
from shiptasks.errors import Refused, UsageError
from shiptasks.hosts.containers import DEFINITION_LABEL, ENVIRONMENT_LABEL, PROXY, RELEASE_LABEL, VERSION_LABEL

PROXY_PORT = 10080
"""Port inside the proxy's container that the published one leads to: high, so that it needs no privilege."""
ADMIN_PORT = 9999
"""HAProxy's runtime interface, on the loopback of its own container, where nobody outside can reach it."""
FILES = ("compose.yaml", "compose.release.yaml")
"""The user's file and the overlay, as they are named in a release's folder."""


@dataclass(frozen=True)
class ComposeService:
    """One service of the Compose file. `definition` is equal as long as nothing about it has changed."""

    name: str
    image: str
    networks: Mapping[str, tuple[str, ...]]
    depends_on: tuple[str, ...]
    has_volumes: bool
    definition: str
    one_shot: bool = False
    """It has nothing to keep and is not to be restarted: once it ended well, its work is done."""


@dataclass(frozen=True)
class ComposeModel:
    """What the Compose file means: `apps` are the services that this repository builds, `stores` all others.

    Both are in the order in which they can start.
    """

    text: str
    apps: tuple[ComposeService, ...]
    stores: tuple[ComposeService, ...]
    networks: Mapping[str, str]
    """Real name of each network, by its name in the file."""

    def app(self, name: str) -> ComposeService:
        return next(service for service in self.apps if service.name == name)


def read(project: Project, env: bytes) -> ComposeModel:
    """Let Compose read the project's file, with the content of the environment file that will travel to the hosts.

    Raises UsageError for a file that is missing, wrong, or does not fit the configuration.
    """
    path = project.root / project.compose_file
    if not path.is_file():
        raise UsageError(
            f"there is no Compose file {project.compose_file}",
            where=str(project.root),
            hint='write it, or name it in pyproject.toml: compose-file = "…" under [tool.shiptasks]',
        )
    return parse(_config(project, path, env), path.read_text(encoding="utf-8"), project)


def _config(project: Project, path: Path, env: bytes) -> dict[str, Any]:
    # A file that only its owner may read, and only for as long as Compose reads it.
    with tempfile.NamedTemporaryFile(prefix="shiptasks-env-") as file:
        file.write(env)
        file.flush()
        return _said_by_compose(project, path, file.name)


def _said_by_compose(project: Project, path: Path, env_file: str) -> dict[str, Any]:
    from python_on_whales import ClientNotFoundError, DockerClient, DockerException

    client = DockerClient(
        compose_files=[path],
        compose_env_files=[env_file],
        compose_project_name=project.project,
    )
    try:
        client.compose.is_installed()
    except (ClientNotFoundError, DockerException) as error:
        raise Refused(
            "`docker compose` does not work on this machine: Compose v2 is needed to read the Compose file",
            now="nothing was changed",
            hint="install the Compose plugin: `apt-get install docker-compose-plugin` (Docker's packages) or "
            "`apt-get install docker-compose` (Debian 13), then `docker compose version`",
            details=_said(error),
        ) from None
    try:
        return client.compose.config(return_json=True)
    except DockerException as error:
        # Not chained: what Compose prints on success has secrets in it.
        raise UsageError(
            f"{project.compose_file} cannot be used",
            where=str(path),
            now="nothing was run",
            hint=f"see `docker compose --file {project.compose_file} config`",
            details=_said(error),
        ) from None


def _said(error: Exception) -> tuple[str, ...]:
    """Compose's own sentence, which names the key or the variable, never a value."""
    said = getattr(error, "stderr", None) or ("" if hasattr(error, "stderr") else str(error))
    return tuple(line for line in said.splitlines() if line.strip() and "level=warning" not in line)[-5:]


def parse(config: dict[str, Any], text: str, project: Project) -> ComposeModel:
    """The model from what `docker compose config --format json` prints; `text` is the file as it was written.

    Raises UsageError with every misfit between file and configuration.
    """
    raw: dict[str, Any] = config.get("services") or {}
    problems = [problem for name in project.services for problem in _misfits(name, raw)]
    problems += [
        f"services.{name}.port: the proxy itself uses {service.port} in its container; let the service listen elsewhere"
        for name, service in project.services.items()
        if service.routes and service.port in (PROXY_PORT, ADMIN_PORT)
    ]
    if PROXY in raw:
        problems.append(f"services.{PROXY}: the name is taken by the proxy that shiptasks runs; rename yours")
    for name, service in raw.items():
        problems += [
            f"services.{name}.volumes: {mount['source']} is mounted from the repository, which does not travel to "
            "the host; put it into the image, or use a named volume or an absolute path"
            for mount in service.get("volumes") or []
            if mount.get("type") == "bind" and _in_repository(str(mount.get("source", "")), project)
        ]
    if problems:
        raise UsageError(
            f"{project.compose_file} does not fit the configuration",
            where=str(project.root / project.compose_file),
            hint=f"change {project.compose_file} or [tool.shiptasks] in pyproject.toml, then try again",
            details=tuple(problems),
        )
    services = [_service(name, raw[name]) for name in _start_order(raw)]
    return ComposeModel(
        text=text,
        apps=tuple(service for service in services if service.name in project.services),
        stores=tuple(service for service in services if service.name not in project.services),
        networks={name: network["name"] for name, network in (config.get("networks") or {}).items()},
    )


def _in_repository(source: str, project: Project) -> bool:
    """Whether a mount's source, absolute on the machine that reads the file, is a path of the repository."""
    return not source.startswith("/") or Path(source).is_relative_to(project.root)


def _misfits(name: str, raw: dict[str, Any]) -> list[str]:
    service = raw.get(name)
    if service is None:
        near = nearest(name, raw)
        return [
            f"services.{name} is configured but not in the Compose file" + (f"; did you mean {near}?" if near else "")
        ]
    problems = []
    if service.get("container_name"):
        problems.append(f"services.{name}.container_name: remove it, two containers run beside each other in a deploy")
    if service.get("ports"):
        problems.append(
            f"services.{name}.ports: remove it, a published port can belong to one container only; "
            "the proxy publishes (proxy.port, and services.<name>.routes in pyproject.toml)"
        )
    if service.get("network_mode"):
        problems.append(
            f"services.{name}.network_mode: remove it, the proxy reaches services by a network of the project"
        )
    return problems


def _service(name: str, raw: dict[str, Any]) -> ComposeService:
    # Replicas are ours, and Compose's depends_on only orders: neither makes a running container differ.
    definition = {key: value for key, value in raw.items() if key not in ("scale", "depends_on", "build")}
    definition = _without_empty(definition)
    return ComposeService(
        name=name,
        image=raw.get("image", ""),
        networks={
            network: tuple((settings or {}).get("aliases") or ())
            for network, settings in (raw.get("networks") or {"default": None}).items()
        },
        depends_on=tuple(raw.get("depends_on") or {}),
        has_volumes=any(not mount.get("read_only") for mount in raw.get("volumes") or [] if mount["type"] != "tmpfs"),
        definition=digest(definition),
        one_shot=raw.get("restart", "no") == "no" and not raw.get("healthcheck") and not raw.get("volumes"),
    )


def _start_order(raw: dict[str, Any]) -> list[str]:
    """Each service after those it depends on; otherwise as in the file. Compose has refused cycles by now."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order or name not in raw:
            return
        for needed in raw[name].get("depends_on") or {}:
            visit(needed)
        order.append(name)

    for name in raw:
        visit(name)
    return order


def _without_empty(value: Any) -> Any:
    """Compose's versions differ in the empty defaults that they write out; those mean nothing."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if not (item is None or item is False or item in ("", [], {}))}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def digest(value: object) -> str:
    """A short hash of plain data, equal on every machine."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def proxy_service(project: Project, model: ComposeModel, proxy_folder: str) -> dict[str, Any]:
    """The proxy as a Compose service, without labels.

    It carries the names of the services that it leads to, so that traffic inside the network goes through it too
    and never meets a container that is not ready.
    """
    networks: dict[str, set[str]] = {}
    for name, service in project.services.items():
        if service.routes:
            for network, aliases in model.app(name).networks.items():
                networks.setdefault(network, set()).update((name, *aliases))
    probe = f"exec 3<>/dev/tcp/127.0.0.1/{ADMIN_PORT}"
    return {
        "image": project.proxy.image,
        "restart": "unless-stopped",
        "ports": [{"target": PROXY_PORT, "published": str(project.proxy.port), "protocol": "tcp"}],
        "volumes": [{"type": "bind", "source": proxy_folder, "target": "/usr/local/etc/haproxy", "read_only": True}],
        "networks": {network: {"aliases": sorted(aliases)} for network, aliases in sorted(networks.items())},
        "healthcheck": {
            "test": ["CMD", "bash", "-c", probe],
            "interval": "5s",
            "timeout": "3s",
            "start_period": "10s",
            "start_interval": "200ms",
            "retries": 3,
        },
        "cap_drop": ["ALL"],
        "read_only": True,
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }


def overlay(project: Project, model: ComposeModel, release: Release, proxy_folder: str) -> str:
    """The file that is laid over the user's: images by digest, labels by which the next deploy knows what runs."""
    place = {ENVIRONMENT_LABEL: release.environment}
    services: dict[str, Any] = {
        service.name: {
            "image": release.images[service.name].ref,
            "labels": {**place, RELEASE_LABEL: release.id, VERSION_LABEL: release.version},
        }
        for service in model.apps
    }
    for store in model.stores:
        services[store.name] = {"labels": {**place, DEFINITION_LABEL: store.definition}}
    if has_proxy(project):
        proxy = proxy_service(project, model, proxy_folder)
        services[PROXY] = {**proxy, "labels": {**place, DEFINITION_LABEL: digest(proxy)}}
    header = "# Written by shiptasks for one release; the next deploy writes its own.\n"
    return header + _as_yaml({"services": services}) + "\n"


def with_definitions(model: ComposeModel, overlay_text: str) -> ComposeModel:
    """The model with the definitions of its stores as a release's overlay names them.

    They were computed where that release was made, maybe by another version of Compose.
    """
    services = _from_yaml(overlay_text.partition("\n")[2])["services"]

    def known(store: ComposeService) -> ComposeService:
        label = services.get(store.name, {}).get("labels", {}).get(DEFINITION_LABEL)
        return replace(store, definition=label) if label else store

    return replace(model, stores=tuple(known(store) for store in model.stores))


def has_proxy(project: Project) -> bool:
    """Whether anything is routed at all."""
    return any(service.routes for service in project.services.values())


def _from_yaml(text: str) -> Any:
    """What `_as_yaml` wrote, with every `$` still doubled."""

    def json_escape(match: re.Match[str]) -> str:
        return chr(int(match[1][1:], 16)) if match[1].startswith("U") else match[0]

    return json.loads(re.sub(r"\\(U[0-9a-f]{8}|.)", json_escape, text))


def _as_yaml(value: object) -> str:
    """Plain data as JSON that is YAML too, with `$` doubled: Compose replaces `$name`, and nothing here is meant so.

    JSON writes a character beyond U+FFFF as two escapes, which YAML 1.2 (section 5.7) does not know.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False).replace("$", "$$")
    return "".join(c if ord(c) < 127 else f"\\u{ord(c):04x}" if ord(c) <= 0xFFFF else f"\\U{ord(c):08x}" for c in text)
