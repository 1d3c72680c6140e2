"""Images that containers for tests know by themselves: port, environment, when they are ready, and their address.

An image is known by the last part of its name, whatever registry it comes from. To add one, add it here and to
`KNOWN_IMAGES` of the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True)
class Known:
    """What is known of an image. Texts hold placeholders, see `fill`."""

    port: int
    variables: Mapping[str, str]
    """What the tests get unless the configuration says otherwise."""
    health: tuple[str, ...] = ()
    """Command in the container that succeeds once it is ready. Empty: when its port answers."""
    env: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    """Placeholder -> the variable of `env` whose value it is, in case the configuration sets that."""
    in_memory: bool = False
    """Whether what it stores goes into memory: faster, and nothing of it is left."""


# Each health command asks over TCP at an address that the server which the image starts for its own first set-up does
# not listen on: that one would seem ready, and end at once.
_MYSQL_HEALTH = (
    "sh",
    "-c",
    'exec "$(command -v mariadb-admin || command -v mysqladmin)" ping --silent --protocol=tcp -h 127.0.0.1 -P {port}',
)
_MONGO_HEALTH = (
    "sh",
    "-c",
    'exec "$(command -v mongosh || command -v mongo)" --quiet --host "$(hostname)" --port {port} '
    "--eval 'quit(db.adminCommand({ping: 1}).ok ? 0 : 1)'",
)
_REDIS_URL = {"REDIS_URL": "redis://{host}:{port}/0"}


def _mysql(prefix: str) -> Known:
    return Known(
        port=3306,
        env={
            f"{prefix}_ROOT_PASSWORD": "{password}",
            f"{prefix}_USER": "{user}",
            f"{prefix}_PASSWORD": "{password}",
            f"{prefix}_DATABASE": "{database}",
        },
        roles={"user": f"{prefix}_USER", "password": f"{prefix}_PASSWORD", "database": f"{prefix}_DATABASE"},
        health=_MYSQL_HEALTH,
        variables={"DATABASE_URL": "mysql://{user}:{password}@{host}:{port}/{database}"},
        in_memory=True,
    )


def _redis(program: str) -> Known:
    ping = f'[ "$({program} -p {{port}} ping)" = PONG ]'  # it succeeds while it loads, too: only the answer tells
    return Known(port=6379, health=("sh", "-c", ping), variables=_REDIS_URL, in_memory=True)


KNOWN: Mapping[str, Known] = {
    "postgres": Known(
        port=5432,
        env={"POSTGRES_USER": "{user}", "POSTGRES_PASSWORD": "{password}", "POSTGRES_DB": "{database}"},
        roles={"user": "POSTGRES_USER", "password": "POSTGRES_PASSWORD", "database": "POSTGRES_DB"},
        health=("pg_isready", "--quiet", "--host=127.0.0.1", "--port={port}"),
        variables={"DATABASE_URL": "postgresql://{user}:{password}@{host}:{port}/{database}"},
        in_memory=True,
    ),
    "mysql": _mysql("MYSQL"),
    "mariadb": _mysql("MARIADB"),
    "redis": _redis("redis-cli"),
    "valkey": _redis("valkey-cli"),
    "rabbitmq": Known(
        port=5672,
        env={"RABBITMQ_DEFAULT_USER": "{user}", "RABBITMQ_DEFAULT_PASS": "{password}"},
        roles={"user": "RABBITMQ_DEFAULT_USER", "password": "RABBITMQ_DEFAULT_PASS"},
        health=("rabbitmq-diagnostics", "--quiet", "check_port_connectivity"),
        variables={"AMQP_URL": "amqp://{user}:{password}@{host}:{port}/"},
    ),
    "mongo": Known(
        port=27017,
        env={"MONGO_INITDB_ROOT_USERNAME": "{user}", "MONGO_INITDB_ROOT_PASSWORD": "{password}"},
        roles={"user": "MONGO_INITDB_ROOT_USERNAME", "password": "MONGO_INITDB_ROOT_PASSWORD"},
        health=_MONGO_HEALTH,
        variables={"MONGO_URL": "mongodb://{user}:{password}@{host}:{port}/{database}?authSource=admin"},
        in_memory=True,
    ),
    "memcached": Known(port=11211, variables={"MEMCACHED_URL": "memcached://{host}:{port}"}),
}


def known(repository: str) -> Known | None:
    """What is known of an image, by its reference without tag and digest."""
    return KNOWN.get(repository.rpartition("/")[2])


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with `{user}` and so on replaced; other braces stay as they are."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
