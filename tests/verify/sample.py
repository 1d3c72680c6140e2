"""Containers as an engine might describe them, and a project whose parts they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shiptasks.config.model import Project
from shiptasks.hosts.containers import Container
from shiptasks.verify import Expected
from shiptasks.verify.model import Facts

RELEASE = "20261121T171500Z-1.1.0"
REF = "shop-api:1.1.0@sha256:" + "a" * 64
IMAGE_ID = "sha256:" + "1" * 64


def container(service: str = "api", number: int = 1, **changes: Any) -> Container:
    """A container that is well; `changes` are its fields."""
    values: dict[str, Any] = {
        "id": f"{number:064x}",
        "name": f"shop-{service}-{number}",
        "service": service,
        "number": number,
        "image": REF,
        "image_id": IMAGE_ID,
        "release": RELEASE,
        "version": "1.1.0",
        "definition": "",
        "status": "running",
        "health": "healthy",
        "restarts": 0,
        "exit_code": 0,
        "oom_killed": False,
        "started_at": "2026-11-21T17:15:00Z",
        "check": None,
        "probe_output": "",
    }
    return Container(**{**values, **changes})


def facts(*containers: Container) -> Facts:
    return Facts({"local": containers})


def expected(version: str = "1.1.0", **changes: Any) -> Expected:
    values: dict[str, Any] = {
        "version": version,
        "release": RELEASE,
        "images": {"api": REF},
        "replicas": {"api": 2},
        "stores": (),
    }
    return Expected(**{**values, **changes})


def make_project(**keys: Any) -> Project:
    """A project with one routed service and the environment `local`; keys as in pyproject.toml."""
    raw: dict[str, Any] = {
        "project": "shop",
        "services": {"api": {"context": "api", "port": 8000, "health": "/health", "routes": ["/"], "replicas": 2}},
        "environments": {"local": {}},
        **keys,
    }
    return Project.model_validate(raw).located(Path(), "local")
