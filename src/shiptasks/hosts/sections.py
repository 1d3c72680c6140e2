"""The configuration of connections."""

from __future__ import annotations

from shiptasks.config.section import Section
from shiptasks.config.types import LocalPath, LocalPaths
from shiptasks.config.values import Duration


class Ssh(Section):
    """`[tool.shiptasks.ssh]`: how hosts are reached."""

    config: LocalPath | None = None
    """OpenSSH client configuration; `~/.ssh/config` when left out."""
    known_hosts: LocalPaths = ()
    """Files of known host keys; those of OpenSSH (`~/.ssh/known_hosts`, `/etc/ssh/ssh_known_hosts`) when left out."""
    key: LocalPath | None = None
    """Private key; the agent's and OpenSSH's default keys when left out."""
    connect_timeout: Duration = Duration("10s")
    """Longest wait for a host to answer."""
