"""Runs migrations against DATABASE_URL, one process at a time."""

from __future__ import annotations

import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import create_engine, make_url, pool, text

LOCK = 7_402_817
"""Key of the advisory lock that a running migration holds; any number, as long as it stays the same."""

fileConfig(context.config.config_file_name, disable_existing_loggers=False)


def run() -> None:
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit("alembic: DATABASE_URL must be set in the environment")
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        poolclass=pool.NullPool,
        connect_args={"connect_timeout": 10, "application_name": "shop-migrate"},
    )
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            # A second migration that starts meanwhile waits here, and then finds nothing left to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("alembic: --sql is not supported, migrations need a connection")
run()
