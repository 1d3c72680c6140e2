"""The check of what answers from outside: status 200, and the version that was deployed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shiptasks.verify.http import NoAnswer, get
from shiptasks.verify.model import Facts, Verdict

GROUP = "endpoints"
TIMEOUT = 5.0
"""Seconds that one request may wait for an answer."""
_SHOWN = 200


@dataclass(frozen=True)
class Endpoint:
    """The health path of a routed service answers 200 with the version that was deployed.

    Asked `times` times, each on a new connection, so that the proxy leads to more than one replica.
    """

    url: str
    service: str
    versions: tuple[str, ...]
    times: int = 1
    host: str = ""
    group: str = GROUP

    @property
    def target(self) -> str:
        return f"{self.service} GET {self.url}"

    def look(self, facts: Facts) -> Verdict:
        del facts  # what it is about is seen from here, not on the host
        served: list[str | None] = []
        slowest = 0.0
        for _ in range(self.times):
            try:
                answer = get(self.url, timeout=TIMEOUT)
            except NoAnswer as error:
                return Verdict("fail", str(error), self._counted(len(served)), _REMEDY)
            if answer.status != 200:
                shown = answer.body[:_SHOWN].decode("utf-8", "replace").strip()
                evidence = (*self._counted(len(served)), *(f"it said: {line}" for line in shown.splitlines()[:3]))
                return Verdict("fail", f"answers {answer.status}", evidence, _REMEDY)
            slowest = max(slowest, answer.seconds)
            served.append(version_in(answer.body))
        return self._judge(served, f"200 in {slowest * 1000:.0f} ms")

    def _judge(self, served: list[str | None], detail: str) -> Verdict:
        expected = " or ".join(self.versions)
        told = sorted({version for version in served if version is not None})
        wrong = [version for version in told if version not in self.versions]
        if wrong:
            counted = tuple(f"{served.count(version)} of {len(served)} answers: version {version}" for version in told)
            return Verdict(
                "fail",
                f"serves version {', '.join(wrong)}, deployed is {expected}",
                counted,
                "another release still gets traffic, or the image reports a wrong version (build argument VERSION)",
            )
        if None in served:
            return Verdict(
                "warn",
                f"{detail}, serves no version: unverifiable",
                (f"deployed is {expected}",),
                'answer with JSON that has "version"; the image is built with the argument VERSION',
            )
        return Verdict("ok", f"{detail}, version {', '.join(told)}")

    def _counted(self, answered: int) -> tuple[str, ...]:
        return (f"request {answered + 1} of {self.times}",) if self.times > 1 else ()


@dataclass(frozen=True)
class NotReachable:
    """The health path of a routed service is not among its routes: nothing can be asked from outside."""

    service: str
    path: str
    leads_to: str
    host: str = ""
    group: str = GROUP

    @property
    def target(self) -> str:
        return f"{self.service} GET {self.path}"

    def look(self, facts: Facts) -> Verdict:
        del facts
        where = f"leads to {self.leads_to}" if self.leads_to else "leads nowhere"
        return Verdict(
            "warn",
            f"{self.path} {where}: unverifiable",
            (),
            f'add "{self.path}" to services.{self.service}.routes',
        )


@dataclass(frozen=True)
class SameVersion:
    """All hosts of the environment have the same version deployed."""

    versions: tuple[tuple[str, str], ...]
    host: str = ""
    service: str = ""
    group: str = GROUP

    @property
    def target(self) -> str:
        return "one version"

    def look(self, facts: Facts) -> Verdict:
        del facts
        found = {version for _, version in self.versions}
        if len(found) > 1:
            evidence = tuple(f"{host}: {version}" for host, version in self.versions)
            return Verdict("fail", f"the hosts have {len(found)} versions", evidence, "inv deploy brings them together")
        return Verdict("ok", f"{', '.join(found)} on {len(self.versions)} hosts")


_REMEDY = "see `containers` and `proxy` above; if they are well: url, firewall, TLS in front"


def version_in(body: bytes) -> str | None:
    """The version that a JSON object tells under `version`; None when it tells none."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    version = value.get("version") if isinstance(value, dict) else None
    return version if isinstance(version, str) and version else None
