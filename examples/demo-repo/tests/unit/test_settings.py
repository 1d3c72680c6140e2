from __future__ import annotations

import pytest

from shop_api.settings import Settings

REQUIRED = {"DATABASE_URL": "postgresql://db/shop", "REDIS_URL": "redis://redis"}


def test_empty_variables_mean_the_default() -> None:
    settings = Settings.from_env({**REQUIRED, "APP_VERSION": "", "PORT": "", "LOG_LEVEL": ""})
    assert (settings.version, settings.port, settings.log_level) == ("dev", 8000, "INFO")


def test_variables_are_read() -> None:
    settings = Settings.from_env({**REQUIRED, "APP_VERSION": "1.2.3", "PORT": "9000", "LOG_LEVEL": "debug"})
    assert (settings.version, settings.port, settings.log_level) == ("1.2.3", 9000, "DEBUG")


def test_missing_variables_are_named() -> None:
    with pytest.raises(SystemExit, match="DATABASE_URL and REDIS_URL must be set"):
        Settings.from_env({"DATABASE_URL": ""})
