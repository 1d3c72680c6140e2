"""How a host is reached: its address, `[tool.shiptasks.ssh]` and OpenSSH's client configuration, put together."""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiptasks.errors import UsageError

if TYPE_CHECKING:
    from shiptasks.hosts.sections import Ssh

_ADDRESS = re.compile(
    r"(?:(?P<user>[^@\s:/-][^@\s:/]*)@)?"
    r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*))"
    r"(?::(?P<port>\d{1,5}))?"
)
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_DEFAULT_KNOWN = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


@dataclass(frozen=True)
class Target:
    """Everything that is needed to reach one host."""

    name: str
    """How people know it: the address without the user."""
    host: str
    """What to connect to, after `HostName`."""
    port: int
    user: str
    keys: tuple[Path, ...]
    """Private keys to offer, in order."""
    use_agent: bool
    """Whether all of the agent's keys are offered too, or only those that are among `keys`."""
    known_hosts: tuple[Path, ...]
    known_as: str
    """`HostKeyAlias`: the name to look for in known_hosts instead of the host's; empty for none."""
    jump: Target | None
    """The host to go through, itself checked as strictly."""
    connect_timeout: float


def resolve(ssh: Ssh, root: Path, address: str) -> Target:
    """Raises UsageError for an address or an OpenSSH configuration that cannot be read."""
    return _resolve(ssh, root, address, ())


def _resolve(ssh: Ssh, root: Path, address: str, behind: tuple[str, ...]) -> Target:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UsageError(f"{address!r} is not an address of a host", hint="write it as user@host or user@host:port")
    alias = match["host"] or match["six"]
    found = _lookup(ssh, root, alias)
    host = str(found.get("hostname", alias))
    port = int(match["port"] or found.get("port", 22))
    if "proxycommand" in found:
        raise UsageError(
            f"the OpenSSH configuration of {alias} has a ProxyCommand, which is not supported",
            hint="use ProxyJump",
        )
    keys: tuple[Path, ...]
    if ssh.key:
        keys, use_agent = (_path(ssh.key, root),), False
        if not keys[0].is_file():
            raise UsageError(f"there is no key {keys[0]}", where="tool.shiptasks.ssh.key")
    elif "identityfile" in found:
        keys = tuple(_path(name, root) for name in found["identityfile"])
        use_agent = str(found.get("identitiesonly", "no")).lower() != "yes"
    else:
        keys, use_agent = tuple(Path.home() / ".ssh" / name for name in _DEFAULT_KEYS), True
    return Target(
        name=address.rpartition("@")[2],
        host=host,
        port=port,
        user=match["user"] or str(found.get("user", "")) or getpass.getuser(),
        keys=keys,
        use_agent=use_agent,
        known_hosts=_known_hosts(ssh, root, found),
        known_as=str(found.get("hostkeyalias", "")),
        jump=_jump(ssh, root, str(found.get("proxyjump", "none")), (*behind, address)),
        connect_timeout=ssh.connect_timeout,
    )


def _jump(ssh: Ssh, root: Path, hops: str, behind: tuple[str, ...]) -> Target | None:
    """The last of `hops`; the ones before it are its own way, unless it has one of its own in the configuration."""
    if hops.lower() == "none":
        return None
    *before, last = (hop.strip() for hop in hops.split(","))
    if last in behind:
        return None  # `Host *` with a ProxyJump also matches the jump host itself
    target = _resolve(ssh, root, last, behind)
    if before and target.jump is None:
        return replace(target, jump=_jump(ssh, root, ",".join(before), (*behind, last)))
    return target


def _known_hosts(ssh: Ssh, root: Path, found: dict[str, Any]) -> tuple[Path, ...]:
    if ssh.known_hosts:
        return tuple(_path(name, root) for name in ssh.known_hosts)
    if "userknownhostsfile" in found or "globalknownhostsfile" in found:
        user = str(found.get("userknownhostsfile", " ".join(_DEFAULT_KNOWN[:2]))).split()
        shared = str(found.get("globalknownhostsfile", " ".join(_DEFAULT_KNOWN[2:]))).split()
        return tuple(_path(name, root) for name in (*user, *shared) if name.lower() != "none")
    return tuple(_path(name, root) for name in _DEFAULT_KNOWN)


def _path(name: str, root: Path) -> Path:
    path = Path(name).expanduser()
    return path if path.is_absolute() else root / path


def _lookup(ssh: Ssh, root: Path, alias: str) -> dict[str, Any]:
    if ssh.config:
        paths = [_path(ssh.config, root)]
        if not paths[0].is_file():
            raise UsageError(f"there is no file {paths[0]}", where="tool.shiptasks.ssh.config")
    else:
        paths = [path for path in (Path.home() / ".ssh/config", Path("/etc/ssh/ssh_config")) if path.is_file()]
    files = tuple((path, path.stat().st_mtime_ns) for path in paths)
    try:
        return dict(_config(files).lookup(alias))
    except Exception as error:
        raise UsageError(
            f"the OpenSSH configuration cannot be read: {error}", where=", ".join(str(path) for path in paths)
        ) from error


@lru_cache(maxsize=16)
def _config(files: tuple[tuple[Path, int], ...]) -> Any:
    from paramiko import SSHConfig

    config = SSHConfig()
    for path, _ in files:
        with path.open(encoding="utf-8") as text:
            config.parse(text)
    return config
