"""The configuration of lint and test."""

from __future__ import annotations

from shiptasks.config.types import Command, Name, Table

Commands = Table[Name, Command]
"""Commands by name."""
