"""The lab as a whole: up, down and status. What is up already stays; what is dead is started anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import engine, images, net, registry, sshhost, state
from tests.lab.proc import Echo, LabError, run, system_env


@dataclass(frozen=True)
class Lab:
    """A lab that is up. `images` tells for each base image whether it was there, pulled, or is a stand-in."""

    engine: engine.EngineInfo
    images: dict[str, str]
    registry: registry.Registry | None
    hosts: tuple[sshhost.Host, ...]


@dataclass(frozen=True)
class Row:
    """One line of the status table."""

    what: str
    state: str
    pid: int | None
    address: str


def up(echo: Echo, *, hosts: int = 1, names: Sequence[str] = images.NAMES) -> Lab:
    """Make sure of an engine and the base images and, with hosts, of a registry and that many hosts.

    Without hosts neither root nor Debian is needed where an engine answers. Raises LabError with what is missing.
    """
    with state.locked(echo):
        info = engine.ensure(echo)
        found = images.ensure(names, echo)
        if hosts < 1:
            return Lab(info, found, registry.current(), ())
        store = _registry(info, found, echo)
        return Lab(info, found, store, tuple(sshhost.ensure(hosts, echo)))


def registry_up(echo: Echo) -> registry.Registry:
    """Make sure of an engine and a registry that it can push to. Raises LabError with what is missing."""
    with state.locked(echo):
        return _registry(engine.ensure(echo), {}, echo)


def down(echo: Echo, *, everything: bool = False) -> None:
    """End all that the lab started, each process by its pid and start time. Packages and caches stay.

    With `everything` the caches go too: images of the lab's own engine, the root file system, the registry's content.
    """
    if not state.home().exists():
        echo("lab: nothing is up")
        return
    with state.locked(echo):
        hosts = sshhost.known()
        sshhost.stop_all()
        if hosts:
            echo(f"{', '.join(host.name for host in hosts)} stopped")
        registry.stop()
        if os.geteuid() == 0 and shutil.which("ip", path=system_env()["PATH"]):
            net.down()
        engine.stop(echo)
        for process in state.recorded():
            state.stop(process.name)
        if everything:
            _remove_home()
            echo(f"{state.home()} removed")


def status() -> list[Row]:
    """What is there now. Looks only; starts nothing."""
    rows = [_engine_row()]
    found = registry.current()
    process = state.running("registry")
    where = f"{found.name} and {found.loopback}" if found else ""
    rows.append(Row("registry", "up" if found else "down", process.pid if process else None, where))
    for host in sshhost.known():
        process = state.running(host.name)
        how = "up" if host.engine_running() else "up, its engine is down"
        rows.append(Row(host.name, how if process else "down", process.pid if process else None, host.address))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as text in columns."""
    cells = [("what", "state", "pid", "address")]
    cells += [(row.what, row.state, str(row.pid or ""), row.address) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _registry(info: engine.EngineInfo, found: dict[str, str], echo: Echo) -> registry.Registry:
    fresh = registry.current() is None
    store = registry.ensure(echo)
    registry.check_reachable(store, info)
    if found:
        store.offer(found if fresh else [name for name in found if not store.has(name)])
    return store


def _engine_row() -> Row:
    try:
        info = engine.probe()
    except LabError as error:
        return Row("engine", str(error).split(". ")[0], None, "")
    if info is None:
        return Row("engine", "down", None, "")
    owner = "started by the lab" if info.ours else "was there before"
    return Row("engine", f"up, {info.version}, {owner}", info.pid, os.environ.get("DOCKER_HOST", "default socket"))


def _remove_home() -> None:
    """Remove the lab's home, mounts that a killed engine left below it first."""
    home = state.home()
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((path for path in mounts if Path(path).is_relative_to(home)), reverse=True):
        run(["umount", "-l", mount], check=False, env=system_env())
    shutil.rmtree(home)
