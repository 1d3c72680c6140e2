"""The lab's network: one bridge in the machine's own namespace, and a network namespace with a cable for each host."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import shutil
import socket
from pathlib import Path

from tests.lab import state
from tests.lab.proc import LabError, run, system_env

# An engine of the lab talks plain HTTP to registries in these; the second is for when the first is taken.
POOLS = ("10.213.0.0/16", "198.18.0.0/16")
NAMESPACES = Path("/run/netns")


def tag() -> str:
    """A short name of this lab, from its home folder: two labs on one machine stay out of each other's way."""
    return "lab" + hashlib.sha256(str(state.home()).encode()).hexdigest()[:4]


def bridge() -> str:
    """The name of the lab's bridge."""
    return f"{tag()}-br"


def namespace(number: int) -> str:
    """The name of a host's network namespace."""
    return f"{tag()}-host{number}"


def cable(number: int) -> str:
    """The bridge's end of a host's cable; taking it down cuts the host off."""
    return f"{tag()}-h{number}"


def gateway() -> str:
    """The machine's own address on the bridge, where hosts find the registry."""
    return str(_subnet()[1])


def address(number: int) -> str:
    """A host's address: .11 is the first."""
    return str(_subnet()[10 + number])


def up() -> None:
    """Make the bridge, if it is missing. Raises LabError without root."""
    if os.geteuid() != 0:
        raise LabError("the lab's hosts and registry need root (network namespaces); run as root, or without hosts")
    if not exists(bridge()):
        ip(f"link add {bridge()} type bridge", f"addr add {gateway()}/24 dev {bridge()}")
    ip(f"link set {bridge()} up")
    # An engine in this namespace makes the kernel filter bridged packets and drop what it does not know.
    if _iptables("-C") != 0:
        _iptables("-I")


def down() -> None:
    """Remove the bridge and the name of every host's namespace."""
    for path in NAMESPACES.glob(f"{tag()}-host*"):
        ip(f"netns delete {path.name}")
    if exists(bridge()):
        ip(f"link delete {bridge()}")
    _iptables("-D")


def plug(number: int) -> None:
    """Make a host's namespace with an address and a cable to the bridge. What was left of an earlier one goes first."""
    unplug(number)
    name, inside = namespace(number), f"-n {namespace(number)}"
    ip(
        f"netns add {name}",
        f"link add {cable(number)} type veth peer name eth0 netns {name}",
        f"link set {cable(number)} master {bridge()} up",
    )
    # No default route: a host has no way out, and what tries it fails at once instead of waiting.
    for command in ("link set lo up", f"addr add {address(number)}/24 dev eth0", "link set eth0 up"):
        run(["ip", *inside.split(), *command.split()], env=system_env())


def unplug(number: int) -> None:
    """Remove a host's cable and its namespace's name."""
    if exists(cable(number)):
        ip(f"link delete {cable(number)}")
    if (NAMESPACES / namespace(number)).exists():
        ip(f"netns delete {namespace(number)}")


def exists(interface: str) -> bool:
    """Whether there is an interface of this name in the machine's own namespace."""
    try:
        return socket.if_nametoindex(interface) > 0
    except OSError:
        return False


def forget(number: int) -> None:
    """Forget that nobody answered for this host's address."""
    run(["ip", "neigh", "flush", "to", address(number), "dev", bridge()], env=system_env(), check=False)


def ip(*commands: str) -> None:
    """Run `ip` with each of these commands. Raises LabError at the first that fails."""
    for command in commands:
        run(["ip", *command.split()], env=system_env())


def _subnet() -> ipaddress.IPv4Network:
    """The lab's /24: the one recorded, or the first that no route of this machine touches."""
    record = state.home() / "network.json"
    if record.exists():
        return ipaddress.IPv4Network(json.loads(record.read_text())["subnet"])
    taken = _routes()
    for pool in POOLS:
        for candidate in ipaddress.IPv4Network(pool).subnets(new_prefix=24):
            if not any(candidate.overlaps(other) for other in taken):
                state.write(record, json.dumps({"subnet": str(candidate)}) + "\n")
                return candidate
    raise LabError(f"no free network for the lab in {' or '.join(POOLS)}")


def _routes() -> list[ipaddress.IPv4Network]:
    rows = json.loads(run(["ip", "-4", "-json", "route"], env=system_env()).stdout or "[]")
    return [ipaddress.IPv4Network(row["dst"], strict=False) for row in rows if row["dst"] != "default"]


def _iptables(action: str) -> int:
    if shutil.which("iptables", path=system_env()["PATH"]) is None:
        return 0 if action == "-C" else 1
    rule = ["FORWARD", "-i", bridge(), "-o", bridge(), "-j", "ACCEPT"]
    return run(["iptables", "-w", action, *rule], check=False, env=system_env()).returncode
