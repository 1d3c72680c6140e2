"""The text of `.env.template`, from the variables that a Compose file names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shiptasks.envfile.judge import is_secret_name

_OWN = re.compile(
    r"^(POSTGRES|PG|MYSQL|MARIADB|DB|DATABASE|REDIS|MONGO|RABBITMQ|MINIO)\w*(PASS|SECRET)"
    r"|^((APP|DJANGO|FLASK|RAILS|LARAVEL)_)?(SECRET|SECRET_KEY|SECRET_KEY_BASE)$|(SESSION|COOKIE|JWT|NEXTAUTH|AUTH)_SECRET|SALT"
)
"""Secrets that only the product itself knows: any random value is a good one. Others come from somebody else."""
_GENERATE = "openssl rand -hex 24"


def template(variables: Iterable[tuple[str, bool, str]]) -> str:
    """The template for (name, has to be set, default) each. A secret never has a value here."""
    lines = ["# The variables of the Compose file. `inv env.create --env=staging` makes an environment file from this."]
    for name, needed, default in variables:
        secret = is_secret_name(name)
        lines += ["", "# required" if needed else "# optional"]
        if secret:
            own = _OWN.search(name.upper())
            lines.append(
                f"# generate: {_GENERATE}" if own else f"# warning: the one that you were given; else: {_GENERATE}"
            )
        lines.append(f"{name}=" if secret or needed else f"{name}={default}")
    return "\n".join(lines) + "\n"
