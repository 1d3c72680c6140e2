"""What a verification is made of: what should be true, one kind of check behind one protocol, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from shiptasks.errors import ShiptasksError
from shiptasks.hosts.containers import Container

Status = Literal["ok", "warn", "fail", "skip", "error"]
"""`fail`: looked, and it is not so. `error`: could not look. `warn`: could not be decided, or is not as it should be
but serves. `skip`: another check has told already why there is nothing to look at."""

WORST_FIRST: tuple[Status, ...] = ("error", "fail", "warn", "skip", "ok")


@dataclass(frozen=True)
class Expected:
    """What was deployed to a host, and so has to be found there.

    `images` is the reference that each service's containers were created from, `replicas` their number, `stores` the
    other services of the Compose file; None when not known: then those that are found are looked at.
    """

    version: str
    release: str
    images: Mapping[str, str]
    replicas: Mapping[str, int]
    stores: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Verdict:
    """What a check found: one line, the lines that prove it, and what to do about it."""

    status: Status
    detail: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class Facts:
    """What was observed on the hosts at one moment: containers by host, or why they could not be observed."""

    observed: Mapping[str, tuple[Container, ...] | ShiptasksError] = field(default_factory=dict)

    def containers(self, host: str, service: str | None = None) -> tuple[Container, ...]:
        """All containers on a host, or those of one service. Raises what kept them from being observed."""
        found = self.observed[host]
        if isinstance(found, ShiptasksError):
            raise found
        return found if service is None else tuple(one for one in found if one.service == service)


class Check(Protocol):
    """One thing that is verified. A kind of check is a frozen dataclass in a module of its own."""

    @property
    def group(self) -> str:
        """The heading that it is shown under, such as `containers`."""

    @property
    def target(self) -> str:
        """What is looked at, for people: `api replicas`, `GET http://…/health`."""

    @property
    def host(self) -> str:
        """The host that it looks at, as in the configuration; empty for what is looked at from here."""

    @property
    def service(self) -> str:
        """The service that it is about; empty when it is about none."""

    def look(self, facts: Facts) -> Verdict:
        """Look once. Raises ShiptasksError when it could not: the runner makes an `error` of that."""


@dataclass(frozen=True)
class Result:
    """What came of one check. `seconds` is how long it took to look."""

    group: str
    target: str
    host: str
    service: str
    verdict: Verdict
    seconds: float

    @property
    def status(self) -> Status:
        return self.verdict.status


@dataclass(frozen=True)
class Report:
    """The results of one look at everything, the worst first; `waited` is the seconds until then."""

    results: tuple[Result, ...]
    waited: float = 0.0

    @property
    def ok(self) -> bool:
        """True when nothing failed, everything could be looked at, and something was."""
        return self.count("fail") == self.count("error") == 0 and self.count("ok") + self.count("warn") > 0

    def count(self, status: Status, group: str | None = None) -> int:
        return sum(1 for one in self.results if one.status == status and group in (None, one.group))

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.group for one in self.results))

    def summary(self, group: str | None = None) -> str:
        """`1 failed, 1 warned, 8 ok`."""
        words = {"error": "could not look", "fail": "failed", "warn": "warned", "skip": "skipped", "ok": "ok"}
        counted = [(self.count(status, group), words[status]) for status in WORST_FIRST]
        return ", ".join(f"{count} {word}" for count, word in counted if count) or "nothing looked at"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data: the schema in docs/verify.md."""
        return {
            "ok": self.ok,
            "waited": round(self.waited, 3),
            "counts": {status: self.count(status) for status in WORST_FIRST},
            "checks": [
                {
                    "group": one.group,
                    "target": one.target,
                    "host": one.host,
                    "service": one.service,
                    "status": one.status,
                    "seconds": round(one.seconds, 3),
                    "detail": one.verdict.detail,
                    "evidence": list(one.verdict.evidence),
                    "remedy": one.verdict.remedy,
                }
                for one in self.results
            ],
        }
