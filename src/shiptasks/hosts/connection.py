"""The one way by which this project makes an SSH connection: Fabric's, with the host's key checked before a login.

Plain Fabric accepts a host key that differs from the known one (fabric issue 2071); here nothing does.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

from fabric import Config, Connection
from paramiko import (
    AuthenticationException,
    Channel,
    MissingHostKeyPolicy,
    PKey,
    SSHClient,
    SSHConfig,
    SSHException,
    Transport,
)
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey

from shiptasks.errors import Refused
from shiptasks.hosts import knownhosts
from shiptasks.hosts.base import HostError
from shiptasks.hosts.identities import Unusable, identities
from shiptasks.hosts.settings import Target

_KEEPALIVE = 15
_DEAD_AFTER = 30

# Without a handler of its own paramiko would write tracebacks to standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class StrictConnection(Connection):  # type: ignore[misc]
    """A Fabric connection to one target. `open` raises HostError, or Refused for the host's key."""

    # Class attributes, since Fabric would write these names into its Config, which threads may share.
    inline_ssh_env = None
    target: Target
    _sock = None
    _through = None

    def __init__(self, target: Target) -> None:
        # An empty OpenSSH configuration and no configuration files: `target` has all of it already.
        config = Config(lazy=True, ssh_config=SSHConfig())
        super().__init__(target.host, user=target.user, port=target.port, config=config, gateway=False)
        self._set(target=target)
        self.client.set_missing_host_key_policy(_Strict(target))

    def derive_shorthand(self, host_string: str) -> dict[str, Any]:
        return {"host": host_string, "user": None, "port": None}  # parsed before; may be an IPv6 address

    def open(self) -> None:
        target = self.target
        login = _Keys(target)
        self._set(_sock=self._dial())
        self.connect_kwargs = {
            "sock": self._sock,
            "auth_strategy": login,
            "transport_factory": _transport_factory(target),
            "timeout": target.connect_timeout,
            "banner_timeout": target.connect_timeout,
            "auth_timeout": target.connect_timeout,
            "channel_timeout": target.connect_timeout,
        }
        try:
            super().open()
        except BaseException as error:
            self.close()
            if isinstance(error, AuthenticationException):
                raise login.refused() from None
            if isinstance(error, (SSHException, EOFError, OSError)):
                raise HostError(
                    f"{target.name} does not speak SSH as it should: {error or type(error).__name__}",
                    where=_where(target),
                    hint="look at the log of its sshd",
                ) from error
            raise
        if not self.transport.is_authenticated():
            self.close()
            raise HostError(
                f"{target.name} wants more than a key to log in, which is not supported", where=_where(target)
            )
        self.transport.set_keepalive(_KEEPALIVE)

    def close(self) -> None:
        # First the socket: the transport's thread then ends at once instead of at its next look.
        if isinstance(self._sock, socket.socket):
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        elif self._sock is not None:
            self._sock.close()
        self.client.close()
        if self._sock is not None:
            self._sock.close()
        if self._through is not None:
            self._through.close()

    def _dial(self) -> socket.socket | Channel:
        target = self.target
        if target.jump is None:
            return _connected(target)
        through = StrictConnection(target.jump)
        self._set(_through=through)
        through.open()
        try:
            channel: Channel = through.transport.open_channel(
                "direct-tcpip", (target.host, target.port), ("", 0), timeout=target.connect_timeout
            )
        except (SSHException, EOFError, OSError) as error:
            through.close()
            raise HostError(
                f"{target.jump.name} could not reach {target.name}: {error}",
                where=_where(target),
                hint=f"try `nc -vz {target.host} {target.port}` on {target.jump.name}",
            ) from error
        return channel


def _connected(target: Target) -> socket.socket:
    hint = f"try `nc -vz {target.host} {target.port}`; is sshd running there, and no firewall between?"
    try:
        sock = socket.create_connection((target.host, target.port), target.connect_timeout)
    except socket.gaierror as error:
        raise HostError(
            f"the name {target.host} could not be resolved: {error.strerror or error}",
            where=target.name,
            hint="check the spelling of the host in the environment's `hosts`, and the DNS",
        ) from error
    except TimeoutError as error:
        raise HostError(
            f"{target.name} did not answer within {target.connect_timeout:g} s", where=_where(target), hint=hint
        ) from error
    except ConnectionRefusedError as error:
        raise HostError(f"{target.name} refuses connections", where=_where(target), hint=hint) from error
    except OSError as error:
        raise HostError(
            f"{target.name} cannot be reached: {error.strerror or error}", where=_where(target), hint=hint
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _notice_death(sock)
    return sock


def _notice_death(sock: socket.socket) -> None:
    """A link that went away silently is noticed in about half a minute, idle or not, where the system can do it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", _DEAD_AFTER * 1000),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _where(target: Target) -> str:
    return f"{target.user}@{target.host}:{target.port}"


def _known_as(target: Target) -> str:
    return target.known_as.lower() or knownhosts.lookup_name(target.host, target.port)


def _transport_factory(target: Target) -> Any:
    """Asks the host for a key of the types that are known, so that its other keys do not look like a change."""
    kinds = knownhosts.load(target.known_hosts).kinds(_known_as(target))
    wanted = [name for kind in kinds for name in (("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,))]

    def make(sock: Any, **options: Any) -> Transport:
        transport = Transport(sock, **options)
        security = transport.get_security_options()
        offered = list(security.key_types)
        security.key_types = sorted(offered, key=lambda name: (name not in wanted, offered.index(name)))
        return transport

    return make


class _Strict(MissingHostKeyPolicy):
    """Judges every host's key: the client itself knows none. Runs before anything is sent to log in."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        target, name = self._target, _known_as(self._target)
        verdict = knownhosts.load(target.known_hosts).judge(name, key.asbytes())
        if verdict.standing == "known":
            return
        places = tuple(entry.place for entry in verdict.entries)
        offered = f"offered: {key.get_name()} {key.fingerprint}"
        now = "no login was attempted, nothing ran there"
        if verdict.standing == "unknown":
            file = target.known_hosts[0] if target.known_hosts else "~/.ssh/known_hosts"
            raise Refused(
                f"the host key of {target.name} is not known",
                where=_where(target),
                now=now,
                hint=(
                    "compare the fingerprint with what `ssh-keygen -lf` says of the key on the host itself; "
                    f"if they agree, add the last line below to {file}"
                ),
                details=(
                    offered,
                    *(f"looked in: {path}" for path in target.known_hosts),
                    f"{name} {key.get_name()} {key.get_base64()}",
                ),
            )
        if verdict.standing == "revoked":
            raise Refused(
                f"the host key of {target.name} is revoked",
                where=_where(target),
                now=now,
                hint="the host needs a new key; do not use it before",
                details=(offered, *(f"revoked in: {place}" for place in places)),
            )
        raise Refused(
            f"the host key of {target.name} has changed: it is another host, or somebody is in between",
            where=_where(target),
            now=now,
            hint=(
                "find out why. Only if the host was installed anew: compare the fingerprint on the host itself, "
                f"then remove the old lines with `ssh-keygen -R '{name}' -f {places[0].rpartition(':')[0]}`"
            ),
            details=(
                offered,
                *(f"known: {entry.kind} {entry.fingerprint} in {entry.place}" for entry in verdict.entries),
            ),
        )


class _Keys(AuthStrategy):
    """Offers the target's keys one after another, and remembers which."""

    def __init__(self, target: Target) -> None:
        super().__init__(ssh_config=SSHConfig())
        self._target = target
        self._tried: list[str] = []

    def get_sources(self) -> Iterator[AuthSource]:
        for identity in identities(self._target.keys, self._target.use_agent):
            if isinstance(identity, Unusable):
                self._tried.append(f"not offered: {identity.source}: {identity.reason}")
                continue
            self._tried.append(f"offered: {identity.source} ({identity.key.get_name()} {identity.key.fingerprint})")
            yield InMemoryPrivateKey(self._target.user, identity.key)

    def refused(self) -> HostError:
        target = self._target
        if any(line.startswith("offered") for line in self._tried):
            what = f"{target.name} refused the login as {target.user}: none of the keys is accepted"
            hint = (
                f"add the public key to ~{target.user}/.ssh/authorized_keys there, or name another user in the "
                "environment's `hosts`, or another key as `key` in [tool.shiptasks.ssh]"
            )
        else:
            what = f"there is no key to log in to {target.name} with"
            hint = "make one with `ssh-keygen -t ed25519`, or add yours to the agent with `ssh-add`"
            looked = tuple(f"looked for: {path}" for path in target.keys)
            return HostError(what, where=_where(target), hint=hint, details=(*self._tried, *looked))
        return HostError(what, where=_where(target), hint=hint, details=tuple(self._tried))
