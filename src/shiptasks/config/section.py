"""What every table of the configuration has in common. A capability's own tables are in its module `sections`."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Section(BaseModel):
    """A table of the configuration: frozen, and closed to keys that it does not know.

    Keys are kebab-case in TOML and snake_case here. Each has a docstring, which is its documentation, and each is
    read by something: tests ask for both.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=_kebab,
        validate_default=False,
        populate_by_name=False,
    )
    text_key: ClassVar[str] = ""
    """Where set, a plain text may stand for the whole table, and is the value of this key."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {cls.text_key: value} if cls.text_key and isinstance(value, str) else value
