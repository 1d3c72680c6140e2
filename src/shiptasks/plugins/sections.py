"""The configuration of packages of others."""

from __future__ import annotations

from typing import Any

from shiptasks.config.types import Name, Table

Plugins = Table[Name, Table[str, Any]]
"""Options by the name of the entry point."""
