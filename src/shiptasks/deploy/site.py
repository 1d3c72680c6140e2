"""The hosts of an environment, connected: looked at, locked and let go together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from shiptasks.config.model import Project
from shiptasks.deploy.layout import Layout, layout
from shiptasks.deploy.lock import Lock
from shiptasks.deploy.on_host import Names, OnHost
from shiptasks.deploy.state import HostState, look
from shiptasks.hosts import connect, fleet
from shiptasks.hosts.base import Host
from shiptasks.run.events import Bus


class Site:
    """Connections to every host of the project's chosen environment. Closed by `with`."""

    def __init__(self, project: Project, bus: Bus) -> None:
        self.project = project
        self.bus = bus
        self.hosts: Mapping[str, Host] = {address: connect(project, address) for address in project.target.hosts}
        self.layouts: Mapping[str, Layout] = {address: layout(project, address) for address in project.target.hosts}

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self.hosts.values():
            host.close()

    def look(self) -> tuple[HostState, ...]:
        """What is true on every host, observed side by side, in the order of the configuration."""
        addresses = {id(host): address for address, host in self.hosts.items()}

        def one(host: Host) -> HostState:
            address = addresses[id(host)]
            with host.session() as session:
                return look(session, self.project, self.layouts[address], address)

        with self.bus.step("look at the hosts", stage="preflight"):
            return fleet.values(fleet.each(list(self.hosts.values()), one))

    @contextmanager
    def locked(self, names: Names) -> Iterator[None]:
        """Hold the lock of every host, taken in order, so that two deploys never wait for each other."""
        locks = [Lock(host, address, self.layouts[address]) for address, host in self.hosts.items()]
        try:
            with self.bus.step("take the lock", stage="lock"):
                for lock in locks:
                    lock.acquire(names, wait=self.project.deploy.lock_wait)
            yield
        finally:
            for lock in locks:
                lock.release()

    def on_hosts(self, names: Names, project: Project | None = None) -> tuple[OnHost, ...]:
        """Each host with what steps need, in order. `project`: the configuration of a release, where it has its own."""
        return tuple(
            OnHost(host, address, self.layouts[address], project or self.project, names)
            for address, host in self.hosts.items()
        )
