"""Logging in to a registry: by `docker login --password-stdin`, so that the password is in no argument and no log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from shiptasks.build.sections import Login
from shiptasks.config.secret import Secret
from shiptasks.errors import Failed, UsageError
from shiptasks.run.events import Bus

_NOTHING = "nothing was built"
_TIMEOUT = 60.0  # seconds
_WRONG = re.compile(r"unauthori[sz]ed|denied|incorrect username or password|\b40[13]\b|authentication required", re.I)


def credentials(settings: Login, environ: Mapping[str, str]) -> tuple[str, Secret] | None:
    """User and password as configured; None where no login is. Raises UsageError when the variable is not set."""
    if settings.user is None or settings.password_env is None:
        return None
    password = environ.get(settings.password_env, "")
    if not password:
        raise UsageError(
            f"there is no password to log in to the registry with: {settings.password_env} is not set",
            where="pyproject.toml [tool.shiptasks.build.login]",
            now=_NOTHING,
            hint=f"export {settings.password_env}, or remove the table and use `docker login`",
        )
    return settings.user, Secret(password)


def login(registry: str, user: str, password: Secret, bus: Bus) -> None:
    """Log in to the host of `registry`, such as `ghcr.io/acme`; docker keeps what it needs later.

    The password is masked in all that is told from now on. Raises Failed when the registry does not take it or does
    not answer; neither says the password.
    """
    from shiptasks.run.process import ProcessTimeout, run

    host = registry.partition("/")[0]
    bus.secrets.add(password.reveal())
    with bus.step("log in", stage="build") as step:
        step.detail = f"{host} as {user}"
        argv = ("docker", "login", f"--username={user}", "--password-stdin", host)
        try:
            result = run(argv, cwd=Path.cwd(), stdin=password.reveal().encode(), check=False, timeout=_TIMEOUT)
        except ProcessTimeout:
            raise Failed(
                f"{host} did not answer the login within {_TIMEOUT:.0f} s",
                where=host,
                now=_NOTHING,
                hint=f"curl -I https://{host}/v2/",
            ) from None
        if result.ok:
            return
        told = tuple(bus.secrets.mask(line) for line in result.tail(3))
        if _WRONG.search("\n".join(told)):
            raise Failed(
                f"{host} does not take the user name or password of {user}",
                where=host,
                now=_NOTHING,
                hint="is the token still valid, and may it push packages?",
                details=told,
            )
        raise Failed(
            f"the login to {host} failed", where=host, now=_NOTHING, hint=f"curl -I https://{host}/v2/", details=told
        )
