"""Environments that cannot both be: two that put the same project into one folder of one host, or on one port of it.

Only what is published on a host can clash: containers have networks of their own, so services may share a `port`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shiptasks.config.layers import Layers
from shiptasks.config.model import Project
from shiptasks.config.problems import Problem


def clashes(projects: Mapping[str, Project | None], layers: Mapping[str, Layers]) -> Iterator[Problem]:
    """A problem for each environment that takes a place that another one before it has. `projects` by environment."""
    folders: dict[tuple[str, int, str], str] = {}
    ports: dict[tuple[str, int], str] = {}
    for name, project in projects.items():
        target = project.environments.get(name) if project and name else None
        if project is None or target is None:
            continue
        for index, address in enumerate(target.hosts):
            if address.is_local:
                continue
            path = target.path or f"/srv/{project.project}"
            first = folders.setdefault((address.host.lower(), address.port or 22, path), name)
            if first != name:
                origin = layers[name].origin(("environments", name, "hosts", index))
                said = f"{address.host}:{path} is already that of environment `{first}`"
                yield Problem(origin, said, "give one of them another host or another `path`")
            elif any(service.routes for service in project.services.values()):
                first = ports.setdefault((address.host.lower(), project.proxy.port), name)
                if first != name:
                    origin = layers[name].origin(("environments", name, "hosts", index))
                    said = f"port {project.proxy.port} of {address.host} is already that of environment `{first}`"
                    yield Problem(origin, said, "give one of them another `proxy.port` or another host")
