"""Thirteen small steps on one host: our framed session, plain Fabric, and OpenSSH with one script as the floor.

`python -m benchmarks.hosts [rounds]` starts a throw-away sshd on loopback and takes the ways in turn, each from a
new connection to its end, after one round to warm up. What counts are the ratios within one run.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fabric import Config, Connection
from paramiko import PKey, SSHConfig

from tests.hosts.sshd import Sshd, serving

STEPS = [f"echo step {number}; test -d /tmp; uname -s >/dev/null" for number in range(13)]


def openssh_one_script(server: Sshd) -> None:
    user, _, _ = server.address.partition("@")
    options = [
        f"-oUserKnownHostsFile={server.folder / 'known_hosts'}",
        "-oStrictHostKeyChecking=yes",
        "-oBatchMode=yes",
    ]
    argv = ["ssh", "-F", "none", *options, "-i", str(server.folder / "id_ed25519"), "-p", str(server.port)]
    script = "\n".join(STEPS).encode()
    done = subprocess.run([*argv, f"{user}@127.0.0.1", "sh -s"], input=script, capture_output=True, check=True)
    assert done.stdout.count(b"step") == len(STEPS)


def framed_session(server: Sshd) -> None:
    host = server.host()
    with host.session() as session:
        for step in STEPS:
            assert "step" in session.run(step).stdout
    host.close()


def plain_fabric(server: Sshd) -> None:
    user, _, _ = server.address.partition("@")
    connection = Connection(
        "127.0.0.1",
        user=user,
        port=server.port,
        config=Config(lazy=True, ssh_config=SSHConfig()),
        connect_kwargs={
            "pkey": PKey.from_path(str(server.folder / "id_ed25519")),
            "look_for_keys": False,
            "allow_agent": False,
        },
    )
    with connection:
        for step in STEPS:
            assert "step" in connection.run(step, hide=True, in_stream=False).stdout


WAYS: dict[str, Callable[[Sshd], None]] = {
    "OpenSSH, one script (the floor)": openssh_one_script,
    "framed session, 13 steps": framed_session,
    "plain Fabric, 13 runs": plain_fabric,
}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    took: dict[str, list[float]] = {name: [] for name in WAYS}
    cpu: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), {"LogLevel": "INFO"}) as server:
        server.target()  # writes known_hosts
        for number in range(rounds + 1):
            for name, way in WAYS.items():
                wall, used = time.perf_counter(), _cpu()
                way(server)
                if number:
                    took[name].append(time.perf_counter() - wall)
                    cpu[name].append(_cpu() - used)
    floor = statistics.median(took["OpenSSH, one script (the floor)"])
    print(f"{'way':34} {'median ms':>10} {'CPU ms':>8} {'x floor':>8}")
    for name in WAYS:
        wall = statistics.median(took[name])
        print(f"{name:34} {wall * 1000:10.1f} {statistics.median(cpu[name]) * 1000:8.1f} {wall / floor:8.2f}")


def _cpu() -> float:
    """CPU seconds of this process and of the ssh clients that it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    main()
