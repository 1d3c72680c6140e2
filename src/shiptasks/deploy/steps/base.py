"""What a step of a deploy is: a value that can say what it does, do it, and take it back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from shiptasks.deploy.on_host import OnHost
from shiptasks.hosts.base import quote

Sign = Literal["+", "~", "-", "-/+", "."]


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """What is done on one host. `sign`: + starts, ~ switches, - ends, -/+ replaces, . prepares or checks."""

    sign: ClassVar[Sign] = "."
    stage: ClassVar[str] = ""
    service: str = ""

    @abstractmethod
    def describe(self) -> str:
        """One line, as the plan shows it."""

    @abstractmethod
    def apply(self, on: OnHost) -> None:
        """Do it. Raises ShiptasksError; then `take_back` will be called."""

    def describe_back(self) -> str:
        """One line on what `take_back` does."""
        return f"take back: {self.describe()}"

    def take_back(self, on: OnHost) -> None:  # noqa: B027 - what changes nothing has nothing to take back
        """Make it as if it had not been done."""


def words(names: tuple[str, ...]) -> str:
    """Names as words of a script."""
    return " ".join(quote(name) for name in names)
