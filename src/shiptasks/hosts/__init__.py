"""Hosts: the one way to run scripts and put files, over SSH or on this machine. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiptasks.hosts.base import Cancelled, Host, HostError, Result, ScriptFailed, Session, StepTimeout, quote

if TYPE_CHECKING:
    from shiptasks.config.model import Project

__all__ = [
    "Cancelled",
    "Host",
    "HostError",
    "Result",
    "ScriptFailed",
    "Session",
    "StepTimeout",
    "connect",
    "quote",
]


def connect(project: Project, address: str) -> Host:
    """The host of that address (`user@host[:port]`, or `local`) as the project's configuration reaches it.

    Nothing is sent before the first session is opened.
    """
    if "://" in address:
        from shiptasks.hosts.base import Host as HostProtocol
        from shiptasks.plugins.discover import named

        name, _, rest = address.partition("://")
        where = project.where("environments", project.environment, "hosts")
        host: HostProtocol = named(project, "hosts", name, where).made.connect(project, rest)
        return host
    if address == "local":
        from shiptasks.hosts.local import LocalHost

        return LocalHost()
    from shiptasks.hosts.settings import resolve
    from shiptasks.hosts.ssh import SshHost

    return SshHost(resolve(project.ssh, project.root, address))
