"""The root file system below all stand-in images: Debian 13, made once by debootstrap and kept as a tar file."""

from __future__ import annotations

import configparser
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from tests.lab import packages, state
from tests.lab.proc import Echo, LabError, run, system_env, tail

SUITE = "trixie"
INCLUDE = ("ca-certificates",)
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")
UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


@functools.lru_cache(maxsize=1)
def recipe() -> str:
    """A digest of all that goes into the root file system; another digest means: make it anew."""
    parts = [SUITE, *INCLUDE, *UNWANTED, json.dumps(_files())]
    parts += [file.read_text(errors="replace") for file in _certificates()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def ensure(echo: Echo) -> Path:
    """The tar file, made if this machine has none of this recipe yet. Raises LabError if debootstrap fails."""
    target = state.folder("cache") / f"rootfs-{SUITE}-{recipe()}.tar"
    if target.exists():
        return target
    if os.geteuid() != 0:
        raise LabError("making base images needs root (debootstrap)")
    packages.ensure_tools(echo)
    echo(f"making a Debian {SUITE} root file system with debootstrap (once, under a minute)")
    started = time.monotonic()
    root = state.folder("cache") / f"rootfs-{os.getpid()}"
    try:
        _bootstrap(root)
        _settle(root)
        temporary = target.with_suffix(".part")
        run(["tar", "-C", str(root), "--one-file-system", "-cf", str(temporary), "."], timeout=300)
        temporary.replace(target)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    for old in target.parent.glob("rootfs-*.tar"):
        if old != target:
            old.unlink()
    echo(f"root file system ready after {time.monotonic() - started:.0f} s")
    return target


def pip_settings() -> str:
    """pip.conf for containers: the CA bundle, and the machine's own package index where it has a remote one.

    Read from pip's files and variables rather than asked of pip: the answer must not depend on which Python asks.
    """
    settings: dict[str, str] = {}
    for file in (Path("/etc/pip.conf"), Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(file)
        settings |= dict(parser["global"]) if parser.has_section("global") else {}
    lines = ["[global]", f"cert = {CA_BUNDLE}"]
    for key in ("index-url", "extra-index-url", "trusted-host"):
        value = os.environ.get("PIP_" + key.upper().replace("-", "_")) or settings.get(key, "")
        # A folder of this machine means nothing in a container.
        words = [word for word in value.split() if not key.endswith("url") or word.startswith(("http://", "https://"))]
        lines += [f"{key} = {' '.join(words)}"] if words else []
    return "\n".join(lines) + "\n"


def _bootstrap(root: Path) -> None:
    if packages.distribution()[0] == "debian":
        address = packages.main_stanza()[0]
        mirror = [address]
    else:
        mirror = []
    argv = ["debootstrap", "--variant=minbase", f"--include={','.join(INCLUDE)}", SUITE, str(root), *mirror]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", env=system_env(), check=False)
    if done.returncode != 0:
        log = root / "debootstrap" / "debootstrap.log"
        raise LabError(f"debootstrap failed:\n{tail(log.read_text() if log.exists() else done.stdout + done.stderr)}")


def _settle(root: Path) -> None:
    """Make the tree small and quick, and let it reach packages the way this machine does."""
    for name, text in _files().items():
        state.write(root / name, text, 0o755 if name.startswith("usr/sbin") else 0o644)
    for file in _certificates():
        shutil.copy(file, root / str(file).lstrip("/"))
    for pattern in (
        *UNWANTED,
        "/var/cache/apt/archives/*.deb",
        "/var/cache/apt/*.bin",
        "/var/lib/apt/lists/*",
        "/var/log/*",
    ):
        for path in root.glob(pattern.lstrip("/")):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != "locale.alias":
                path.unlink()


def _files() -> dict[str, str]:
    excluded = "".join(f"path-exclude {path}\n" for path in UNWANTED)
    return {
        "etc/apt/apt.conf.d/90machine": _apt_settings(),
        "etc/apt/apt.conf.d/91image": (
            'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n'
            'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };\n'
        ),
        "etc/dpkg/dpkg.cfg.d/image": f"force-unsafe-io\n{excluded}path-include /usr/share/locale/locale.alias\n",
        "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
        "etc/pip.conf": pip_settings(),
        "etc/hostname": "",
        "etc/resolv.conf": "",
    }


def _certificates() -> list[Path]:
    """The machine's CA bundle, and the certificates it was given on top of Debian's."""
    own = sorted(OWN_CERTIFICATES.glob("*.crt")) if OWN_CERTIFICATES.is_dir() else []
    return [path for path in [*own, CA_BUNDLE] if path.exists()]


def _apt_settings() -> str:
    """What this machine's apt is told about reaching its sources (a proxy, a snapshot without fresh dates)."""
    if shutil.which("apt-config") is None:
        return ""
    dump = run(["apt-config", "dump"]).stdout
    wanted = r"^Acquire::(?:https?::Proxy|Check-Valid-Until|Check-Date|Retries).*;$"
    return "".join(line + "\n" for line in re.findall(wanted, dump, re.M))
