"""A lab host: SSH cannot tell it from a server. Its own network, name, processes, files, sshd and Docker engine."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab import access, namespace, net, registry, state
from tests.lab.proc import Echo, LabError, run, system_env, tail

INIT = Path(__file__).with_name("host-init.sh")


@dataclass(frozen=True)
class Host:
    """Host number N of the lab, called hostN. Its methods look at it, and break it, from outside."""

    number: int

    @property
    def name(self) -> str:
        """What SSH calls it: host1, host2, ..."""
        return f"host{self.number}"

    @property
    def address(self) -> str:
        """Its IPv4 address; reachable from this machine, published container ports included."""
        return net.address(self.number)

    @property
    def folder(self) -> Path:
        """Where its files are, seen from outside: srv, docker, root, home, etc."""
        return state.home() / "hosts" / self.name

    @property
    def docker_host(self) -> str:
        """The address of its engine's socket, seen from outside, for `docker --host` and DOCKER_HOST."""
        return f"unix:///proc/{self._init().pid}/root/run/docker.sock"

    def running(self) -> bool:
        """Whether the host is up (its engine may not be)."""
        return state.running(self.name) is not None

    def engine_running(self) -> bool:
        """Whether its dockerd runs."""
        return state.running(self._engine) is not None

    def up(self) -> None:
        """Start it, if it does not run; what a dead one left behind goes first. Raises LabError with its log."""
        if self.running() and self.exec(["getent", "passwd", access.USER], check=False).returncode:
            # A package that was installed meanwhile has replaced the machine's user files, and with them the mount.
            self.reboot()
        if not self.running():
            self.down()
            self._prepare()
            self._boot()
        if not self.engine_running():
            self.start_engine()

    def down(self) -> None:
        """End it with everything in it, containers included, and remove its files."""
        self._halt()
        shutil.rmtree(self.folder, ignore_errors=True)

    def reboot(self) -> None:
        """Pull its plug and start it again: processes are gone, files and images are still there."""
        self._halt()
        self._boot()
        self.start_engine()

    def clean(self) -> None:
        """Remove all containers, volumes, networks and deployed files; images stay."""
        self.restore_network()
        self.resume()
        self.up()
        self.restore_host_key()
        containers = self.docker("ps", "-aq").split()
        if containers:
            self.docker("rm", "-f", "-v", *containers)
        self.docker("volume", "prune", "-af")
        self.docker("network", "prune", "-f")
        for path in (self.folder / "srv").iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def exec(
        self, argv: Sequence[str], *, stdin: str | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run argv on the host as root, without SSH. `timeout` is in seconds. Raises LabError if it fails."""
        return run([*self._enter(), *argv], stdin=stdin, check=check, timeout=timeout, env=self._env())

    def docker(self, *words: str, timeout: float = 120) -> str:
        """Run a docker command against the host's engine and return what it printed. Raises LabError if it fails."""
        return run(["docker", "--host", self.docker_host, *words], timeout=timeout).stdout

    def ssh(self, script: str, *, user: str = "root", check: bool = True, timeout: float = 60) -> str:
        """Run a shell script on the host over SSH, as a user would, and return what it printed."""
        argv = ["ssh", "-F", str(access.ssh_config()), "-l", user, self.name, "sh", "-s"]
        return run(argv, stdin=script, check=check, timeout=timeout).stdout

    def load_images(self, names: Iterable[str]) -> None:
        """Copy images from this machine's engine to the host's, without a registry; those it has are left out."""
        ids = {name: run(["docker", "image", "inspect", "-f", "{{.Id}}", name]).stdout.strip() for name in names}
        there = run(["docker", "--host", self.docker_host, "image", "ls", "-q", "--no-trunc"]).stdout.split()
        missing = [name for name, identity in ids.items() if identity not in there]
        if missing:
            save, load = ["docker", "save", *missing], ["docker", "--host", self.docker_host, "load"]
            run(["bash", "-o", "pipefail", "-c", f"{shlex.join(save)} | {shlex.join(load)}"], timeout=300)

    def start_engine(self) -> None:
        """Start its dockerd and wait until it answers. Raises LabError with the end of its log."""
        if self.engine_running():
            return
        (self.folder / "dockerd.log").touch()
        # The pid in this file may by now belong to somebody else, and dockerd would refuse to start.
        self.exec(["rm", "-f", "/run/docker.pid"])
        log = self.folder / "dockerd.log"
        argv = [*self._enter(), "dockerd", "--config-file", "/run/lab/daemon.json"]
        # nsenter has to fork to enter the namespace; the engine is its child.
        outer = state.spawn(f"{self._engine}-parent", argv, log, self._env())
        state.remember(self._engine, _only_child(outer))
        limit = time.monotonic() + 30
        while time.monotonic() < limit and self.engine_running():
            if Path(f"/proc/{self._init().pid}/root/run/docker.sock").exists() and self._engine_answers():
                return
            time.sleep(0.05)
        raise LabError(f"the engine of {self.name} does not answer; the end of {log}:\n{tail(log.read_text())}")

    def stop_engine(self) -> None:
        """Stop its engine in order; its containers stop too."""
        state.stop(self._engine, grace=40)

    def crash_engine(self) -> None:
        """Kill its engine; containers run on, as they do on a server."""
        state.stop(self._engine, grace=10, number=signal.SIGKILL)

    def cut_network(self) -> None:
        """Cut its cable: connections hang, as with a dead switch."""
        net.ip(f"link set {net.cable(self.number)} down")

    def restore_network(self) -> None:
        """Plug its cable in again."""
        if net.exists(net.cable(self.number)):
            net.ip(f"link set {net.cable(self.number)} up")
            # Who asked in vain meanwhile remembers for some seconds that nobody has this address.
            net.forget(self.number)

    def pause(self) -> None:
        """Freeze every process of it, containers included: the address is there, nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused host run on."""
        if self.running():
            self._signal_all(signal.SIGCONT)
        # A parent outside (nsenter, unshare) stops itself when its child is stopped, and then buries nobody.
        for process in state.recorded(f"{self.name}-"):
            state.send(process, signal.SIGCONT)

    def change_host_key(self) -> None:
        """Give it another SSH host key than known_hosts says, as after a reinstallation or an attack."""
        access.make_host_key(self.folder)
        self._reload_sshd()

    def restore_host_key(self) -> None:
        """Give it back the host key that known_hosts says."""
        if access.restore_host_key(self.folder):
            self._reload_sshd()

    @property
    def _engine(self) -> str:
        return f"{self.name}-engine"

    def _init(self) -> state.Process:
        process = state.running(self.name)
        if process is None:
            raise LabError(f"{self.name} is not up. Start it: inv lab.up --hosts={self.number}")
        return process

    def _enter(self) -> list[str]:
        program = shutil.which("nsenter", path=system_env()["PATH"]) or "nsenter"
        return [program, "-t", str(self._init().pid), "--mount", "--uts", "--net", "--pid", "--wd=/", "--"]

    def _env(self) -> dict[str, str]:
        return {"PATH": system_env()["PATH"], "HOME": "/root", "LANG": "C.UTF-8"}

    def _prepare(self) -> None:
        for part in ("srv", "docker", "root", "home", "etc"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        access.prepare_host(self.folder, self.name, self.address)
        settings = {
            "features": {"containerd-snapshotter": True},
            "insecure-registries": list(net.POOLS),
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{net.namespace(self.number)}",
            "shutdown-timeout": 10,
        }
        found = registry.current()
        if found is not None:
            # Plain names (postgres:17) come from the lab's registry, as they would from Docker Hub.
            settings["registry-mirrors"] = [f"http://{found.name}"]
        state.write(self.folder / "daemon.json", json.dumps(settings, indent=2) + "\n")

    def _boot(self) -> None:
        net.plug(self.number)
        marker = self.folder / "up"
        marker.unlink(missing_ok=True)
        env = {**self._env(), "LAB_NAME": self.name, "LAB_FOLDER": str(self.folder)}
        path = system_env()["PATH"]
        nsenter, unshare = shutil.which("nsenter", path=path) or "nsenter", shutil.which("unshare", path=path)
        argv = [nsenter, f"--net={net.NAMESPACES / net.namespace(self.number)}", unshare or "unshare"]
        argv += ["--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL", "bash", str(INIT)]
        log = self.folder / "init.log"
        outer = state.spawn(f"{self.name}-parent", argv, log, env)
        state.remember(self.name, _only_child(outer))
        limit = time.monotonic() + 10
        while not (marker.exists() and _greets(self.address)):
            if time.monotonic() > limit or not self.running():
                raise LabError(f"{self.name} did not come up; the end of {log}:\n{tail(log.read_text())}")
            time.sleep(0.02)

    def _halt(self) -> None:
        self.resume()
        # The end of process 1 is the end of all in its namespace, containers included.
        state.stop(self.name, grace=10, number=signal.SIGKILL)
        for process in state.recorded(f"{self.name}-"):
            state.stop(process.name, grace=10, number=signal.SIGKILL)
        net.unplug(self.number)
        namespace.remove_cgroups(net.namespace(self.number))

    def _engine_answers(self) -> bool:
        argv = ["docker", "--host", self.docker_host, "version", "--format", "{{.Server.Version}}"]
        return run(argv, check=False).returncode == 0

    def _signal_all(self, number: int) -> None:
        done: set[int] = set()
        while left := set(namespace.members(self._init().pid)) - done:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            done |= left

    def _reload_sshd(self) -> None:
        self.exec(["sh", "-c", 'kill -HUP "$(cat /run/sshd.pid)"'])
        limit = time.monotonic() + 5
        while not _greets(self.address) and time.monotonic() < limit:
            time.sleep(0.02)


def ensure(count: int, echo: Echo) -> list[Host]:
    """Make sure that host1 to hostN are up, side by side. Raises LabError if one does not come up."""
    net.up()
    access.ensure_keys()
    hosts = [Host(number) for number in range(1, count + 1)]
    missing = [host for host in hosts if not (host.running() and host.engine_running())]
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(Host.up, missing))
    access.write_client_files([(host.name, host.address, host.folder) for host in known()])
    if missing:
        names = ", ".join(host.name for host in missing)
        echo(f"{names} up after {time.monotonic() - started:.1f} s")
    return hosts


def known() -> list[Host]:
    """The hosts that are up, or were and left something behind."""
    folder = state.home() / "hosts"
    numbers = {int(path.name.removeprefix("host")) for path in folder.glob("host*") if path.name[4:].isdigit()}
    return [Host(number) for number in sorted(numbers)]


def stop_all() -> None:
    """End all hosts and remove their files."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(Host.down, known()))


def _only_child(process: state.Process, timeout: float = 5) -> int:
    """The pid of the child that a wrapper (unshare, nsenter) forks."""
    limit = time.monotonic() + timeout
    while time.monotonic() < limit and state.alive(process):
        found = namespace.children(process.pid)
        if found:
            return found[0]
        time.sleep(0.005)
    raise LabError(f"{process.name} ended before it began")


def _greets(address: str) -> bool:
    """Whether an SSH server says hello at port 22."""
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
