"""Composable release tasks for small products on plain Docker Compose hosts."""

from __future__ import annotations

__version__ = "0.1.0"
