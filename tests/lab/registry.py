"""A real registry over plain HTTP, on the bridge's address for the hosts and on loopback for this machine."""

from __future__ import annotations

import http.client
import ipaddress
import json
import secrets
import shutil
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab import net, packages, state
from tests.lab.engine import EngineInfo
from tests.lab.proc import Echo, LabError, run, system_env, tail

LOOPBACK = "127.0.0.1"
PORTS = range(5000, 5100)
MANIFEST_TYPES = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)


@dataclass(frozen=True)
class Registry:
    """A running registry. `name` is what image names start with, the same for this machine and for every host."""

    address: str
    port: int

    @property
    def name(self) -> str:
        """ADDRESS:PORT on the bridge."""
        return f"{self.address}:{self.port}"

    @property
    def loopback(self) -> str:
        """The same registry by way of loopback, which every engine takes for trusted without any setting."""
        return f"{LOOPBACK}:{self.port}"

    def offer(self, names: Iterable[str]) -> None:
        """Push base images under their plain names: the hosts' engines ask here before Docker Hub.

        So `docker pull postgres:17` works on a host that has no way out.
        """
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(self._offer, names))

    def has(self, name: str) -> bool:
        """Whether a base image of this machine's engine is offered as it is now."""
        repository, _, version = name.partition(":")
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            path = f"/v2/library/{repository}/manifests/{version}"
            connection.request("HEAD", path, headers={"Accept": MANIFEST_TYPES})
            answer = connection.getresponse()
            digest = answer.headers.get("Docker-Content-Digest", "")
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return digest != "" and digest == run(["docker", "image", "inspect", "-f", "{{.Id}}", name]).stdout.strip()

    def _offer(self, name: str) -> None:
        target = f"{self.loopback}/library/{name}"
        run(["docker", "tag", name, target])
        run(["docker", "push", "--quiet", target], timeout=300)
        run(["docker", "image", "rm", target])


def ensure(echo: Echo) -> Registry:
    """Make sure that the registry runs. Raises LabError, with the end of its log, if it does not answer."""
    packages.ensure_tools(echo)
    net.up()
    found = current()
    if found is not None:
        return found
    stop()
    registry = Registry(net.gateway(), _free_port(net.gateway()))
    state.write(_record(), json.dumps({"port": registry.port}) + "\n")
    program = shutil.which("docker-registry", path=system_env()["PATH"])
    if program is None:
        raise LabError("docker-registry is not installed")
    # Two processes on one storage, because one process listens on one address or on all of them.
    secret = secrets.token_hex(16)
    for name, address in (("registry", registry.address), ("registry-loopback", LOOPBACK)):
        config = state.folder("registry") / f"{name}.yml"
        state.write(config, _config(address, registry.port, secret), 0o600)
        state.spawn(name, [program, "serve", str(config)], state.home() / "registry" / f"{name}.log")
    _wait_ready(registry)
    echo(f"registry answers at {registry.name} and {registry.loopback}")
    return registry


def current() -> Registry | None:
    """The registry, if it runs."""
    if not _record().exists() or not all(map(state.running, ("registry", "registry-loopback"))):
        return None
    return Registry(net.gateway(), json.loads(_record().read_text())["port"])


def stop() -> None:
    """End the registry. What was pushed stays on disk."""
    for name in ("registry", "registry-loopback"):
        state.stop(name, grace=5)


def check_reachable(registry: Registry, engine: EngineInfo) -> None:
    """Raises LabError if the engine would insist on HTTPS for the lab's registry."""
    address = ipaddress.ip_address(registry.address)
    for entry in engine.insecure:
        try:
            if address in ipaddress.ip_network(entry, strict=False):
                return
        except ValueError:
            if entry == registry.name:
                return
    raise LabError(
        f"the Docker engine that runs here takes {registry.name} for an HTTPS registry. Add "
        f'"insecure-registries": ["{net.POOLS[0]}"] to its daemon.json and reload it (kill -HUP), then try again.'
    )


def _config(address: str, port: int, secret: str) -> str:
    settings = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(state.folder("registry", "data"))},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"{address}:{port}", "secret": secret},
    }
    return json.dumps(settings, indent=2) + "\n"  # JSON is YAML


def _wait_ready(registry: Registry, timeout: float = 10) -> None:
    limit = time.monotonic() + timeout
    for host in (registry.address, LOOPBACK):
        while not _answers(host, registry.port):
            if time.monotonic() > limit:
                logs = "".join(path.read_text() for path in sorted((state.home() / "registry").glob("*.log")))
                raise LabError(f"the registry does not answer at {host}:{registry.port}:\n{tail(logs)}")
            time.sleep(0.05)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port(address: str) -> int:
    for port in PORTS:
        if all(_is_free(host, port) for host in (address, LOOPBACK)):
            return port
    raise LabError(f"no free port between {PORTS[0]} and {PORTS[-1]} for the registry")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _record() -> Path:
    return state.home() / "registry.json"
