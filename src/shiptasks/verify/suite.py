"""Which checks there are for a project, given what was deployed: pure, in the order in which they are shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shiptasks.config.model import Project, Service
from shiptasks.hosts.containers import PROXY
from shiptasks.plugins.discover import Plugin, enabled
from shiptasks.verify.containers import Healthy, ImageDeployed, NotRestarted, OtherServices, Replicas, Store
from shiptasks.verify.endpoints import Endpoint, NotReachable, SameVersion
from shiptasks.verify.model import Check, Expected, Facts, Verdict
from shiptasks.verify.proxy import ProxyRuns

_MOST_REQUESTS = 8


def plan(
    project: Project, expected: Mapping[str, Expected], *, services: Collection[str] | None = None
) -> tuple[Check, ...]:
    """The checks for what was deployed, by host. With `services` only those that are about one of them."""
    checks: list[Check] = []
    for host, one in expected.items():
        checks += _containers(project, host, one)
    if _routed(project):
        checks += [ProxyRuns(host) for host in expected]
    checks += _endpoints(project, expected)
    for plugin in enabled(project, "checks"):
        checks += _of_plugin(plugin, project, expected)
    if services is None:
        return tuple(checks)
    return tuple(check for check in checks if check.service in services)


@dataclass(frozen=True)
class _Broken:
    """In the place of the checks of a plugin that could not say which they are."""

    target: str
    error: str
    group: str = "plugins"
    host: str = ""
    service: str = ""

    def look(self, facts: Facts) -> Verdict:  # noqa: ARG002 - the protocol's
        return Verdict("error", self.error)


def _of_plugin(plugin: Plugin, project: Project, expected: Mapping[str, Expected]) -> list[Check]:
    try:
        return list(plugin.made.checks(project, expected))
    except Exception as error:
        return [_Broken(f"{plugin.name} of {plugin.package}", f"{type(error).__name__}: {error}")]


def _containers(project: Project, host: str, expected: Expected) -> list[Check]:
    checks: list[Check] = []
    for service, image in expected.images.items():
        release = expected.release
        checks += [
            Replicas(host, service, release, expected.replicas.get(service, 1)),
            Healthy(host, service, release),
            NotRestarted(host, service, release),
            ImageDeployed(host, service, release, image),
        ]
    if expected.stores is None:
        return [*checks, OtherServices(host, (*expected.images, *project.services, PROXY))]
    return [*checks, *(Store(host, name) for name in expected.stores)]


def _endpoints(project: Project, expected: Mapping[str, Expected]) -> list[Check]:
    checks: list[Check] = []
    if len(expected) > 1:
        checks.append(SameVersion(tuple((host, one.version) for host, one in expected.items())))
    deployed = {service for one in expected.values() for service in one.images}
    for name, service in _routed(project).items():
        if name not in deployed or service.health is None:
            continue
        leads_to = owner(project, service.health)
        if leads_to != name:
            checks.append(NotReachable(name, service.health, leads_to))
            continue
        for base, host, versions in _bases(project, expected):
            times = min(_MOST_REQUESTS, 2 * service.replicas)
            checks.append(Endpoint(base.rstrip("/") + service.health, name, versions, times, host))
    return checks


def _bases(project: Project, expected: Mapping[str, Expected]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Address, host and versions: the environment's own url, or the published port of each host."""
    if project.target.url:
        return [(project.target.url, "", tuple(dict.fromkeys(one.version for one in expected.values())))]
    port = "" if project.proxy.port == 80 else f":{project.proxy.port}"
    return [(f"http://{_network_name(host)}{port}", host, (one.version,)) for host, one in expected.items()]


def _network_name(address: str) -> str:
    """`staging.example.com` from `deploy@staging.example.com:2222`; `localhost` for `local`."""
    name = re.sub(r":\d+$", "", address.rpartition("://")[2].rpartition("@")[2])
    return "localhost" if name == "local" else name


def owner(project: Project, path: str) -> str:
    """The service that the proxy leads a path to: the longest route that is the path, or a folder above it."""
    path = path.partition("?")[0]
    best, name = -1, ""
    for service, settings in _routed(project).items():
        for route in settings.routes:
            bare = route.rstrip("/")
            if len(bare) > best and (path == bare or path.startswith(bare + "/")):
                best, name = len(bare), service
    return name


def _routed(project: Project) -> dict[str, Service]:
    return {name: service for name, service in project.services.items() if service.routes}
