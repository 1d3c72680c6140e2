"""The Docker engine: uses the one that answers, or installs and starts one, with the containerd image store on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab import net, packages, state
from tests.lab.proc import Echo, LabError, run, system_env, tail

NAME = "engine"
COMPOSE_AT_LEAST = (2, 20)


@dataclass(frozen=True)
class EngineInfo:
    """An engine that answers. `ours` and `pid` tell whether the lab started it."""

    version: str
    compose: str
    buildx: str
    containerd_store: bool
    insecure: tuple[str, ...]
    ours: bool
    pid: int | None


def ensure(echo: Echo) -> EngineInfo:
    """Make sure that an engine answers at the client's default address, with Compose v2 and buildx.

    Raises LabError, with what to install, where none answers and none can be installed, or the plugins are missing.
    """
    found = probe()
    if found is not None:
        return found
    if not packages.can_install() or os.environ.get("DOCKER_HOST"):
        raise LabError(f"{_silence()}. Start it, or install one ({packages.engine_install_line()}), then try again.")
    if not _installed():
        packages.install_engine(echo)
    started = time.monotonic()
    process = start()
    found = wait_ready(process)
    echo(f"engine {found.version} answers after {time.monotonic() - started:.1f} s, pid {process.pid}")
    return found


def probe() -> EngineInfo | None:
    """The engine that answers now, or None. Raises LabError when it answers but lacks Compose v2 or buildx."""
    if shutil.which("docker") is None:
        return None
    answer = run(["docker", "info", "--format", "{{json .}}"], timeout=20, check=False)
    try:
        info = json.loads(answer.stdout)
    except ValueError:
        return None
    if answer.returncode != 0 or not info.get("ServerVersion"):
        return None
    process = state.running(NAME)
    registries = info.get("RegistryConfig") or {}
    indexes = registries.get("IndexConfigs") or {}
    plain = [name for name, index in indexes.items() if not index.get("Secure", True)]
    return EngineInfo(
        version=info["ServerVersion"],
        compose=_compose_version(),
        buildx=_buildx_version(),
        containerd_store=any("io.containerd.snapshotter" in str(row) for row in info.get("DriverStatus") or []),
        insecure=tuple(plain + list(registries.get("InsecureRegistryCIDRs") or [])),
        ours=process is not None,
        pid=process.pid if process is not None else None,
    )


def start() -> state.Process:
    """Start dockerd with the lab's own settings, at the default socket. It is not ready yet when this returns."""
    running = state.running(NAME)
    if running is not None:
        return running
    base = state.folder("engine")
    pidfile = base / "docker.pid"
    pidfile.unlink(missing_ok=True)
    settings = {
        "data-root": str(base / "data"),
        "pidfile": str(pidfile),
        "features": {"containerd-snapshotter": True},
        "insecure-registries": list(net.POOLS),
        "shutdown-timeout": 10,
    }
    config = base / "daemon.json"
    state.write(config, json.dumps(settings, indent=2) + "\n")
    program = shutil.which("dockerd", path=system_env()["PATH"])
    if program is None:
        raise LabError(f"dockerd is not installed. Install {packages.engine_install_line()}")
    return state.spawn(NAME, [program, "--config-file", str(config)], log())


def wait_ready(process: state.Process, timeout: float = 60) -> EngineInfo:
    """Wait for the engine to answer. Raises LabError with the end of its log if it does not."""
    limit = time.monotonic() + timeout
    while time.monotonic() < limit and state.alive(process):
        if Path("/run/docker.sock").exists():
            found = probe()
            if found is not None:
                return found
        time.sleep(0.1)
    raise LabError(f"dockerd was started but does not answer; the end of {log()}:\n{tail(log().read_text())}")


def stop(echo: Echo) -> None:
    """Stop the engine if the lab started it; an engine that was there before stays as it is."""
    process = state.recall(NAME)
    if process is None:
        return
    if not state.alive(process) and process.boot == state.boot_id():
        # It was killed: only a new dockerd finds and ends the containers that the old one left running.
        wait_ready(start())
    if state.stop(NAME, grace=40, number=signal.SIGTERM):
        echo("engine stopped")


def log() -> Path:
    """Where the engine's log is."""
    return state.home() / "engine" / "dockerd.log"


def _installed() -> bool:
    """Whether dockerd and both plugins are on this machine, so that starting is enough."""
    path = system_env()["PATH"]
    if shutil.which("dockerd", path=path) is None or shutil.which("docker", path=path) is None:
        return False
    plugins = (run(["docker", plugin, "version"], check=False).returncode for plugin in ("compose", "buildx"))
    return all(code == 0 for code in plugins)


def _silence() -> str:
    """Why no engine answers, in the client's own words where there is a client."""
    if shutil.which("docker") is None:
        return "there is no docker command here"
    lines = run(["docker", "info"], timeout=20, check=False).stderr.strip().splitlines()
    return (
        f"no Docker engine answers ({lines[0].removeprefix('ERROR: ').rstrip('.')})"
        if lines
        else "no Docker engine answers"
    )


def _compose_version() -> str:
    answer = run(["docker", "compose", "version", "--short"], check=False)
    text = answer.stdout.strip().lstrip("v")
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if answer.returncode != 0 or numbers < COMPOSE_AT_LEAST:
        have = f"Compose {text} is too old" if answer.returncode == 0 and text else "there is no Compose v2 plugin"
        raise LabError(
            f"the Docker engine answers, but {have} (2.20 or later is needed). "
            f"Install it ({packages.engine_install_line()}), then try again."
        )
    return text


def _buildx_version() -> str:
    answer = run(["docker", "buildx", "version"], check=False)
    if answer.returncode != 0:
        raise LabError(
            "the Docker engine answers, but the buildx plugin is missing. "
            f"Install it ({packages.engine_install_line()}), then try again."
        )
    found = re.search(r"v?(\d+\.\d+\.\d+)", answer.stdout)
    return found[1] if found else answer.stdout.strip()
