"""The private keys that are offered to hosts: each file loaded once, the agent asked once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import AgentKey, PKey

_lock = threading.Lock()


@dataclass(frozen=True)
class Identity:
    """A key that can be offered, and where it comes from, for people."""

    source: str
    key: PKey


@dataclass(frozen=True)
class Unusable:
    """A key file that is there but cannot be offered, and why."""

    source: str
    reason: str


def identities(keys: tuple[Path, ...], use_agent: bool) -> Iterator[Identity | Unusable]:
    """Keys in the order in which they are offered: the files, then the rest of the agent's.

    A file that is encrypted, or holds only the public half, stands for the agent's key when the agent has it.
    """
    with _lock:
        held = _agent_keys(os.environ.get("SSH_AUTH_SOCK", ""))
    offered: set[bytes] = set()
    for path in keys:
        if not path.is_file():
            continue
        with _lock:
            found = _load(path, path.stat().st_mtime_ns)
        if isinstance(found, Unusable):
            blob = _public_blob(path)
            agent = next((key for key in held if key.asbytes() == blob), None)
            found = Identity(f"{path} (by the agent)", agent) if agent is not None else found
        if isinstance(found, Identity):
            offered.add(found.key.asbytes())
        yield found
    if use_agent:
        for key in held:
            if key.asbytes() not in offered:
                yield Identity(f"the agent's {key.comment or 'key'}", key)


@lru_cache(maxsize=64)
def _load(path: Path, _mtime: int) -> Identity | Unusable:
    from paramiko import PasswordRequiredException, PKey, SSHException
    from paramiko.pkey import UnknownKeyType

    try:
        return Identity(str(path), PKey.from_path(str(path)))
    except (TypeError, PasswordRequiredException):
        return Unusable(str(path), f"it is encrypted; type `ssh-add {path}` first")
    except (OSError, ValueError, SSHException, UnknownKeyType) as error:
        return Unusable(str(path), f"it cannot be read: {error}")


def _public_blob(path: Path) -> bytes:
    import base64
    import binascii

    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        return base64.b64decode(public.read_text().split()[1])
    except (OSError, IndexError, UnicodeDecodeError, binascii.Error):
        return b""


@lru_cache(maxsize=4)
def _agent_keys(socket: str) -> tuple[AgentKey, ...]:
    if not socket:
        return ()
    from paramiko import Agent, AgentKey, SSHException

    class Shared(AgentKey):
        """Signs under a lock: hosts that are reached side by side share the one connection to the agent."""

        def sign_ssh_data(self, *args: Any, **kwargs: Any) -> Any:
            with lock:
                return super().sign_ssh_data(*args, **kwargs)

    lock = threading.Lock()
    try:
        agent = Agent()
    except (SSHException, OSError):
        return ()
    keys = tuple(Shared(agent, key.blob, key.comment) for key in agent.get_keys())
    if not keys:
        agent.close()
    return keys
