"""A shop, its Compose file and a host that it is deployed to, as values."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shiptasks.config.model import Project
from shiptasks.deploy import compose
from shiptasks.deploy.compose import ComposeModel
from shiptasks.deploy.haproxy import render
from shiptasks.deploy.layout import Layout
from shiptasks.deploy.plan import Kind, Plan, plan
from shiptasks.deploy.release import HistoryEntry, Release, ReleaseImage
from shiptasks.deploy.state import HostState, JournalEntry
from shiptasks.hosts.containers import PROXY, Container

LAYOUT = Layout("/srv/shop")
NOW = datetime.datetime(2026, 11, 21, 17, 15, tzinfo=datetime.timezone.utc)


def project(**changes: Any) -> Project:
    """The configuration; `changes` are top-level keys as in TOML, with `_` for `-`."""
    raw: dict[str, Any] = {
        "project": "shop",
        "services": {
            "api": {"port": 8000, "health": "/health", "routes": ["/api"], "replicas": 2},
            "worker": {},
        },
        "environments": {"local": {}},
    }
    raw |= {key.replace("_", "-"): value for key, value in changes.items()}
    return Project.model_validate(raw).located(Path("/repository"), "local")


def config(**services: Any) -> dict[str, Any]:
    """What `docker compose config` says of the shop's file; `services` change or, when None, remove some."""
    raw: dict[str, Any] = {
        "api": {"image": "api", "depends_on": {"redis": {}}, "networks": {"default": None}},
        "redis": {"image": "redis:7", "volumes": [{"type": "volume", "source": "data", "target": "/data"}]},
        "worker": {"image": "worker", "networks": {"default": None}},
    }
    raw |= services
    kept = {name: service for name, service in raw.items() if service is not None}
    return {"services": kept, "networks": {"default": {"name": "shop_default"}}}


def model(of: Project | None = None, **services: Any) -> ComposeModel:
    return compose.parse(config(**services), "services: {}\n", of or project())


def release(version: str, *, replicas: Mapping[str, int] | None = None, **changes: Any) -> Release:
    """Release `r-<version>`, whose images the engine has."""
    counts = replicas if replicas is not None else {"api": 2, "worker": 1}
    values: dict[str, Any] = {
        "id": f"r-{version}",
        "project": "shop",
        "environment": "local",
        "version": version,
        "revision": "",
        "created": "2026-11-21T17:00:00+00:00",
        "by": "ada@laptop",
        "images": {name: ReleaseImage(f"sha256:{name}-{version}", f"sha256:{name}-{version}") for name in counts},
        "replicas": counts,
        "fingerprint": version,
    }
    return Release(**{**values, **changes})


def container(service: str, number: int, version: str = "", **changes: Any) -> Container:
    """A container that is well."""
    values: dict[str, Any] = {
        "id": f"{service}{number}",
        "name": f"shop-{service}-{number}",
        "service": service,
        "number": number,
        "image": "",
        "image_id": "",
        "release": f"r-{version}" if version else "",
        "version": version,
        "definition": "",
        "status": "running",
        "health": "healthy",
        "restarts": 0,
        "exit_code": 0,
        "oom_killed": False,
        "started_at": "",
        "check": None,
        "probe_output": "",
    }
    return Container(**{**values, **changes})


def entry(version: str, kind: Any = "deploy") -> HistoryEntry:
    return HistoryEntry(f"r-{version}", version, kind, "2026-11-21T17:00:00+00:00", "ada@laptop")


def bare(**changes: Any) -> HostState:
    """A host on which nothing is deployed."""
    values: dict[str, Any] = {
        "address": "local",
        "engine": "26.1.5",
        "engine_problem": "",
        "compose": "2.26.1",
        "disk_free": 50_000_000_000,
        "writable": True,
        "listening": frozenset(),
        "port_owner": "",
        "current": "",
        "releases": (),
        "partial": (),
        "history": (),
        "unfinished": None,
        "proxy_config": "",
        "containers": (),
        "images": frozenset({"redis:7", "haproxy:3.0"}),
    }
    return HostState(**{**values, **changes})


def serving(version: str = "1.0.0", *, of: Project | None = None, **changes: Any) -> HostState:
    """A host on which a version serves as it should."""
    shop = of or project()
    stands = model(shop)
    proxy = compose.digest(compose.proxy_service(shop, stands, LAYOUT.proxy))
    values: dict[str, Any] = {
        "current": f"r-{version}",
        "releases": (release(version),),
        "history": (entry(version),),
        "proxy_config": render(shop, stands, {"api": ("shop-api-1", "shop-api-2")}),
        "containers": (
            container("api", 1, version),
            container("api", 2, version),
            container(PROXY, 1, definition=proxy),
            container("redis", 1, definition=stands.stores[0].definition),
            container("worker", 1, version, health="none"),
        ),
    }
    return bare(**{**values, **changes})


def with_containers(state: HostState, *more: Container, without: tuple[str, ...] = ()) -> HostState:
    """The host with some containers more, and some less; one of the same name takes the other's place."""
    names = {one.name for one in more} | set(without)
    kept = [one for one in state.containers if one.name not in names]
    found = tuple(sorted((*kept, *more), key=lambda one: (one.service, one.number)))
    return dataclasses.replace(state, containers=found)


def cut(version: str, step: str = "start shop-api-3") -> JournalEntry:
    return JournalEntry("r-" + version, version, "ada@laptop", "", step, "begin")


def planned(
    state: HostState,
    version: str,
    *,
    kind: Kind = "deploy",
    of: Project | None = None,
    stands: ComposeModel | None = None,
    files: bool = True,
    **changes: Any,
) -> Plan:
    shop = of or project()
    given = {"local": ((".env", b"A=hunter22", 0o600),)} if files and kind == "deploy" else {}
    return plan(
        kind,
        shop,
        release(version, **changes),
        stands or model(shop),
        (state,),
        {"local": LAYOUT},
        files=given,
        by="ada@laptop",
        now=NOW,
    )


def steps(one: Plan) -> list[str]:
    """The steps of the only host, with their stage and sign."""
    return [f"{step.stage}: {step.sign} {step.describe()}" for step in one.hosts[0].steps]
