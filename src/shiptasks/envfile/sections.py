"""The configuration of secrets: where each comes from. Never the secret itself."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, model_validator

from shiptasks.config.section import Section
from shiptasks.config.types import LocalPath, SecretInPlainText, Table, Words
from shiptasks.config.values import Duration

SOURCES = ("env", "file", "sops", "command")
_KEYS = (*SOURCES, "key", "timeout")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INSTEAD = (
    'say where it comes from: { env = "NAME" }, { file = "path" }, { sops = "file", key = "a.b" } '
    'or { command = ["…"] }'
)


def _check_variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("expected the name of a variable: letters, digits and '_', not beginning with a digit")
    return value


def _check_env(value: str) -> str:
    # Not shown: whoever mistakes the one for the other has written the secret.
    if not _VARIABLE.fullmatch(value):
        raise SecretInPlainText("expected the name of an environment variable, not a value")
    return value


EnvironmentVariable = Annotated[str, AfterValidator(_check_env)]
VariableName = Annotated[str, AfterValidator(_check_variable)]


class SecretSource(Section):
    """`[tool.shiptasks.secrets.<NAME>]`: where the secret for the variable NAME of the environment file comes from.

    Exactly one of `env`, `file`, `sops` and `command`. The secret itself is never written here.
    """

    env: EnvironmentVariable | None = None
    """Variable of the process environment, such as one that CI sets."""
    file: LocalPath | None = None
    """File of `NAME=value` lines, relative to pyproject.toml; not tracked by git."""
    sops: LocalPath | None = None
    """File encrypted by sops, relative to pyproject.toml; `sops` decrypts it."""
    command: Words = ()
    """Command whose standard output is the secret, without the newline at its end; it is not run by a shell."""
    key: str = ""
    """Key in `file` or `sops`; for sops with dots, as in `db.password`. The name of the variable when left out."""
    timeout: Duration = Duration("30s")
    """Longest wait for `command` or `sops`."""

    @model_validator(mode="after")
    def _one_source(self) -> SecretSource:
        given = [name for name in SOURCES if getattr(self, name)]
        if len(given) != 1:
            found = f", not {' and '.join(given)}" if given else ""
            raise SecretInPlainText(f"expected exactly one of env, file, sops and command{found}")
        if self.key and given[0] not in ("file", "sops"):
            raise SecretInPlainText(f"`key` belongs to `file` or `sops`, not to `{given[0]}`")
        return self

    @property
    def told(self) -> str:
        """Where it comes from, in a few words."""
        if self.env:
            return f"the variable {self.env}"
        if self.command:
            return f"the command {self.command[0]}"
        return f"the file {self.file or self.sops}"


def _refuse_plain(value: Any) -> Any:
    if not isinstance(value, (dict, SecretSource)):
        raise SecretInPlainText(f"a secret must not be written here, where everyone reads it; {_INSTEAD}")
    unknown = [key for key in value if key not in _KEYS] if isinstance(value, dict) else []
    if unknown:
        raise SecretInPlainText(f"unknown key `{unknown[0]}`; {_INSTEAD}")
    return value


def _refuse_plain_table(value: Any) -> Any:
    if not isinstance(value, dict):
        raise SecretInPlainText(f"expected a table of secrets by the name of their variable; {_INSTEAD}")
    return value


SecretSources = Annotated[
    Table[VariableName, Annotated[SecretSource, BeforeValidator(_refuse_plain)]], BeforeValidator(_refuse_plain_table)
]
