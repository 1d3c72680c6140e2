"""What the environment tells the API, read once at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    version: str = "dev"
    host: str = "0.0.0.0"
    port: int = 8000
    log_level: str = "INFO"
    catalogue_ttl: float = 5.0
    """Seconds for which the catalogue is served from memory."""
    warm_up: float = 1.0
    """Seconds that the start of the catalogue takes; see `health.Readiness`."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not env.get(name)]
        if missing:
            raise SystemExit(f"shop-api: {' and '.join(missing)} must be set in the environment")
        return cls(
            database_url=env["DATABASE_URL"],
            redis_url=env["REDIS_URL"],
            version=env.get("APP_VERSION") or cls.version,
            host=env.get("HOST") or cls.host,
            port=int(env.get("PORT") or cls.port),
            log_level=(env.get("LOG_LEVEL") or cls.log_level).upper(),
        )
