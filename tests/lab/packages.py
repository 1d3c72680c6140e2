"""Installs the distribution's packages that the lab needs, from the machine's own sources; starts no service."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.lab import state
from tests.lab.proc import Echo, LabError, run, system_env

SOURCES = Path("/etc/apt/sources.list.d")
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_MARK = "# shiptasks lab: no service starts while its packages are being installed"
NEWER_SUITE = "trixie"

ENGINE = {
    "debian": ("docker.io", "docker-cli", "docker-buildx", "docker-compose"),
    "ubuntu": ("docker.io", "docker-buildx", "docker-compose-v2"),
}
# Program that must be there -> package that brings it.
TOOLS = {
    "docker-registry": "docker-registry",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "wrk": "wrk",
    "node": "nodejs",
    "npm": "npm",
}


def distribution() -> tuple[str, str]:
    """This machine's distribution and release, as ("debian", "bookworm"); empty strings where unknown."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return "", ""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.M))
    return fields.get("ID", ""), fields.get("VERSION_CODENAME", "")


def can_install() -> bool:
    """Whether packages can be installed from here: root, on Debian or Ubuntu."""
    return os.geteuid() == 0 and distribution()[0] in ENGINE and shutil.which("apt-get") is not None


def engine_install_line() -> str:
    """What a person would type to get an engine with Compose and buildx here."""
    name, _ = distribution()
    if _suite():
        return f"with a {NEWER_SUITE} source added: apt-get install -t {NEWER_SUITE} {' '.join(ENGINE['debian'])}"
    if name in ENGINE:
        return f"apt-get install {' '.join(ENGINE[name])}"
    return "Docker Engine 24 or later with the Compose plugin 2.20 or later and the buildx plugin"


def install_engine(echo: Echo) -> None:
    """Install the engine, Compose v2 and buildx; only where can_install(). Raises LabError if apt-get fails."""
    name, release = distribution()
    needed = ENGINE[name]
    suite = _suite()
    echo(f"no Docker engine answers: installing {' '.join(needed)}" + (f" from {suite}" if suite else ""))
    if suite and not _added().exists():
        _add_suite(release, suite)
    _install(needed, suite)


def ensure_tools(echo: Echo) -> None:
    """Install what the lab alone needs and this machine lacks. Raises LabError where that is not possible."""
    path = system_env()["PATH"]
    missing = [package for program, package in TOOLS.items() if shutil.which(program, path=path) is None]
    if not missing:
        return
    if not can_install():
        raise LabError(f"the lab needs packages that are not installed: {' '.join(missing)}")
    echo(f"installing for the lab: {' '.join(missing)}")
    _install(missing, "")


def main_stanza() -> tuple[str, str, str]:
    """The machine's own main source as (address, suite, rest), where rest is its components and signing key.

    Read, never written to the project: which mirror a machine uses is its own affair.
    """
    release = distribution()[1]
    for file in sorted(SOURCES.glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", file.read_text()):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.+)$", stanza, re.M))
            if "deb" in fields.get("Types", "").split() and release in fields.get("Suites", "").split():
                key = f"Signed-By: {fields['Signed-By']}\n" if "Signed-By" in fields else ""
                return fields["URIs"].split()[0], release, f"Components: {fields['Components']}\n{key}"
    for file in [Path("/etc/apt/sources.list"), *sorted(SOURCES.glob("*.list"))]:
        text = file.read_text() if file.exists() else ""
        found = re.search(rf"^deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+{re.escape(release)}\s+(.+)$", text, re.M)
        if found:
            signed = re.search(r"signed-by=(\S+)", found[1] or "")
            key = f"Signed-By: {signed[1]}\n" if signed else ""
            return found[2], release, f"Components: {found[3]}\n{key}"
    raise LabError(f"no source for {release} in /etc/apt: cannot tell where this machine gets its packages from")


def _added() -> Path:
    return SOURCES / f"shiptasks-{NEWER_SUITE}.sources"


def _suite() -> str:
    """The suite to take the engine from; empty where the machine's own has one.

    Debian 12's is too old. Installing the newer one brings Debian 13's /etc/os-release with it, so the second source
    tells as well.
    """
    name, release = distribution()
    return NEWER_SUITE if name == "debian" and (release == "bookworm" or _added().exists()) else ""


def _add_suite(release: str, suite: str) -> None:
    address, _, rest = main_stanza()
    state.write(_added(), f"Types: deb\nURIs: {address}\nSuites: {suite}\n{rest}")
    # Below 500: nothing is taken from it unless asked for by name, and `apt upgrade` stays on the old release.
    pin = f"Package: *\nPin: release n={suite}\nPin-Priority: 100\n"
    state.write(Path(f"/etc/apt/preferences.d/shiptasks-{suite}"), pin)


def _install(names: Sequence[str], suite: str) -> None:
    env = system_env({"APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_SUSPEND": "1"})
    wait = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    keep = ["-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-unsafe-io"]
    with _no_services():
        run(["apt-get", *wait, "update"], timeout=300, env=env)
        target = ["-t", suite] if suite else []
        run(
            ["apt-get", *wait, *keep, "install", "-y", "--no-install-recommends", *target, *names], timeout=900, env=env
        )


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep package scripts from starting daemons; a policy that is already there stays as it is."""
    ours = not POLICY.exists() or POLICY_MARK in POLICY.read_text()
    if ours:
        state.write(POLICY, f"#!/bin/sh\n{POLICY_MARK}\nexit 101\n", 0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
