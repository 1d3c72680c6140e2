"""A throw-away sshd on a loopback port, run as the current user: what the host layer is tested against."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shiptasks.hosts.sections import Ssh
from shiptasks.hosts.settings import Target, resolve
from shiptasks.hosts.ssh import SshHost


class Sshd:
    """A running server. Its log is at a level that tells every attempt to log in."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.address = f"{getpass.getuser()}@127.0.0.1:{port}"

    def public(self, kind: str) -> str:
        """Type and key of a host key, as known_hosts has them."""
        return " ".join((self.folder / f"host_{kind}.pub").read_text().split()[:2])

    def known(self, kind: str = "ed25519", *, name: str = "") -> str:
        """The line of known_hosts that is right for it."""
        return f"{name or f'[127.0.0.1]:{self.port}'} {self.public(kind)}\n"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def target(self, known_hosts: str | None = None, address: str = "", **ssh: Any) -> Target:
        """How to reach it, with these known hosts (right ones when left out)."""
        file = self.folder / "known_hosts"
        file.write_text(self.known() if known_hosts is None else known_hosts)
        options = {"known-hosts": [str(file)], "key": str(self.folder / "id_ed25519"), "connect-timeout": "5s", **ssh}
        settings = Ssh.model_validate({key: value for key, value in options.items() if value is not None})
        return resolve(settings, self.folder, address or self.address)

    def host(self, known_hosts: str | None = None, address: str = "", **ssh: Any) -> SshHost:
        return SshHost(self.target(known_hosts, address, **ssh))


def program() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def keygen(path: Path, kind: str, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", path], check=True)
    return path


@contextmanager
def serving(folder: Path, options: Mapping[str, str] | None = None) -> Iterator[Sshd]:
    """A server with these options on top of plain ones; ended with everything that still runs in it."""
    sshd = program()
    assert sshd is not None
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for kind in ("ed25519", "rsa"):
        keygen(folder / f"host_{kind}", kind)
    keys = [keygen(folder / f"id_{kind}", kind) for kind in ("ed25519", "rsa", "ecdsa")]
    (folder / "authorized_keys").write_text("".join(key.with_suffix(".pub").read_text() for key in keys))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lines = {
        "ListenAddress": f"127.0.0.1:{port}",
        "AuthorizedKeysFile": str(folder / "authorized_keys"),
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "prohibit-password",
        "LogLevel": "DEBUG1",
        "MaxStartups": "100",
        "Subsystem": "sftp internal-sftp",
        **(options or {}),
    }
    config = folder / "sshd_config"
    host_keys = "".join(f"HostKey {folder / f'host_{kind}'}\n" for kind in ("ed25519", "rsa"))
    config.write_text(host_keys + "".join(f"{key} {value}\n" for key, value in lines.items()))
    process = subprocess.Popen([sshd, "-D", "-f", config, "-E", folder / "log"], start_new_session=True)
    try:
        _wait_for(port, process)
        yield Sshd(folder, port)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, "sshd ended"
            assert time.monotonic() < until, "sshd does not answer"
            time.sleep(0.02)
