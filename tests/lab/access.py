"""Who may log in to the lab's hosts, and how a client knows them: keys, ssh_config, known_hosts, users."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.lab import state
from tests.lab.proc import run, system_env

# A second user beside root, as a careful server has one: in group docker, owner of /srv, without sudo.
USER, UID = "deploy", 2345


def client_key() -> Path:
    """The private key that opens every host."""
    return state.home() / "keys" / "id_ed25519"


def ssh_config() -> Path:
    """A configuration for `ssh -F` and for Fabric that knows host1, host2, ... and checks their keys strictly."""
    return state.home() / "ssh_config"


def known_hosts() -> Path:
    """The host keys, by name and by address."""
    return state.home() / "known_hosts"


def ensure_keys() -> None:
    """Make the client's key pair, once."""
    if not client_key().exists():
        state.folder("keys").chmod(0o700)
        _keygen(client_key(), "shiptasks-lab")


def make_host_key(folder: Path) -> None:
    """Give a host a new key of its own."""
    key = folder / "host_key"
    key.unlink(missing_ok=True)
    _keygen(key, folder.name)


def restore_host_key(folder: Path) -> bool:
    """Put back the first key that the host had. False if it has it."""
    names = ("host_key", "host_key.pub")
    if all((folder / name).read_bytes() == (folder / f"first_{name}").read_bytes() for name in names):
        return False
    for name in names:
        shutil.copy2(folder / f"first_{name}", folder / name)
    return True


def prepare_host(folder: Path, name: str, address: str) -> None:
    """Write what makes a host's own sshd, users and names."""
    make_host_key(folder)
    shutil.copy2(folder / "host_key", folder / "first_host_key")
    shutil.copy2(folder / "host_key.pub", folder / "first_host_key.pub")
    shutil.copy(client_key().with_suffix(".pub"), folder / "authorized_keys")
    state.write(folder / "sshd_config", _SSHD.format(address=address))
    _write_users(folder / "etc")
    state.write(folder / "etc" / "hosts", f"127.0.0.1 localhost\n{address} {name}\n")
    # Nobody listens there: looking up an unknown name fails at once, instead of after a timeout.
    state.write(folder / "etc" / "resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    state.write(folder / "etc" / "hostname", f"{name}\n")
    home = folder / "home" / USER
    home.mkdir(exist_ok=True)
    (folder / "root").chmod(0o700)
    for path in (home, folder / "srv"):
        shutil.chown(path, UID, UID)


def write_client_files(hosts: Sequence[tuple[str, str, Path]]) -> None:
    """Write ssh_config and known_hosts for hosts given as (name, address, folder)."""
    config, known = [], []
    for name, address, folder in hosts:
        key = " ".join((folder / "first_host_key.pub").read_text().split()[:2])
        known.append(f"{name},{address} {key}\n")
        config.append(_CLIENT.format(name=name, address=address, key=client_key(), known=known_hosts()))
    state.write(known_hosts(), "".join(known))
    state.write(ssh_config(), "\n".join(config))


def _keygen(path: Path, comment: str) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    run(argv, env=system_env())


def _write_users(etc: Path) -> None:
    """Copies of the machine's user files, with the deploy user added and root's account open for keys."""
    passwd = Path("/etc/passwd").read_text()
    state.write(etc / "passwd", f"{passwd.rstrip()}\n{USER}:x:{UID}:{UID}::/home/{USER}:/bin/bash\n")
    groups = []
    for line in Path("/etc/group").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == "docker":
            fields[3] = ",".join(filter(None, [*fields[3].split(","), USER]))
        groups.append(":".join(fields))
    state.write(etc / "group", "\n".join([*groups, f"{USER}:x:{UID}:", ""]))
    shadow = Path("/etc/shadow").read_text().splitlines()
    # "!" would mean a locked account, which sshd refuses even with a key; "*" means no password.
    rows = [f"root:*:{line.split(':', 2)[2]}" if line.startswith("root:") else line for line in shadow]
    state.write(etc / "shadow", "\n".join([*rows, f"{USER}:*:20000:0:99999:7:::", ""]), 0o640)


_SSHD = """\
ListenAddress {address}
Port 22
HostKey /run/lab/host_key
AuthorizedKeysFile /run/lab/authorized_keys
PidFile /run/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
"""

_CLIENT = """\
Host {name} {address}
    HostName {address}
    User root
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
"""
