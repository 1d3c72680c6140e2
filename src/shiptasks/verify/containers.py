"""Checks of the containers on a host: how many, of which release and image, healthy, and not restarting."""

from __future__ import annotations

from dataclasses import dataclass

from shiptasks.hosts.containers import Container
from shiptasks.verify.model import Facts, Verdict

GROUP = "containers"
_PROBE_LINES = 5


@dataclass(frozen=True)
class Replicas:
    """As many containers of the release run as were deployed, and none of another release."""

    host: str
    service: str
    release: str
    expected: int
    group: str = GROUP

    @property
    def target(self) -> str:
        return f"{self.service} replicas"

    def look(self, facts: Facts) -> Verdict:
        found = facts.containers(self.host, self.service)
        running = [one for one in found if one.running and one.release == self.release]
        others = [one for one in found if one.running and one.release != self.release]
        detail = f"{len(running)} of {self.expected} run"
        if len(running) != self.expected:
            evidence = tuple(described(one) for one in found) or ("no container of this service exists",)
            return Verdict("fail", detail, evidence, f"inv deploy brings it to {self.expected}; {logs_of(found)}")
        if others:
            evidence = tuple(described(one) for one in others)
            return Verdict(
                "warn", f"{detail}, and {len(others)} of another release", evidence, "inv deploy removes them"
            )
        return Verdict("ok", detail)


@dataclass(frozen=True)
class Healthy:
    """The engine calls every container of the release healthy. Without a healthcheck nothing is known: a warning."""

    host: str
    service: str
    release: str
    group: str = GROUP

    @property
    def target(self) -> str:
        return f"{self.service} health"

    def look(self, facts: Facts) -> Verdict:
        found = facts.containers(self.host, self.service)
        return health([one for one in found if one.running and one.release == self.release])


@dataclass(frozen=True)
class NotRestarted:
    """No container of the release was restarted by the engine, or ran out of memory."""

    host: str
    service: str
    release: str
    group: str = GROUP

    @property
    def target(self) -> str:
        return f"{self.service} restarts"

    def look(self, facts: Facts) -> Verdict:
        mine = [one for one in facts.containers(self.host, self.service) if one.release == self.release]
        if not mine:
            return Verdict("skip", "no container of the release")
        troubled = [one for one in mine if one.restarts or one.oom_killed]
        if troubled:
            total = sum(one.restarts for one in troubled)
            detail = f"{total} restart{'s' if total != 1 else ''}"
            if any(one.oom_killed for one in troubled):
                detail += ", out of memory"
            return Verdict("fail", detail, tuple(described(one) for one in troubled), logs_of(troubled))
        return Verdict("ok", "none")


@dataclass(frozen=True)
class ImageDeployed:
    """The containers were created from the image of the release, and not from another with the same tag."""

    host: str
    service: str
    release: str
    image: str
    group: str = GROUP

    @property
    def target(self) -> str:
        return f"{self.service} image"

    def look(self, facts: Facts) -> Verdict:
        mine = [one for one in facts.containers(self.host, self.service) if one.release == self.release]
        if not mine:
            return Verdict("skip", "no container of the release")
        wrong = [one for one in mine if self.image not in (one.image, one.image_id)]
        if wrong:
            evidence = (f"deployed: {self.image}", *(f"{one.name}: {one.image} ({one.image_id})" for one in wrong))
            return Verdict(
                "fail", f"{len(wrong)} of {len(mine)} from another image", evidence, "inv deploy replaces them"
            )
        return Verdict("ok", self.image)


@dataclass(frozen=True)
class Store:
    """A service of the Compose file that this repository does not build runs, and is healthy."""

    host: str
    service: str
    group: str = GROUP

    @property
    def target(self) -> str:
        return f"{self.service} runs"

    def look(self, facts: Facts) -> Verdict:
        return store(self.service, facts.containers(self.host, self.service))


@dataclass(frozen=True)
class OtherServices:
    """Where it is not known which other services there should be: each that is found runs, and is healthy."""

    host: str
    known: tuple[str, ...]
    service: str = ""
    group: str = GROUP

    @property
    def target(self) -> str:
        return "other services"

    def look(self, facts: Facts) -> Verdict:
        found: dict[str, list[Container]] = {}
        for one in facts.containers(self.host):
            if one.service not in self.known:
                found.setdefault(one.service, []).append(one)
        if not found:
            return Verdict("skip", "none found")
        verdicts = {name: store(name, tuple(ones)) for name, ones in found.items()}
        worst = next(
            (verdicts[name] for status in ("fail", "warn") for name in verdicts if verdicts[name].status == status),
            None,
        )
        detail = ", ".join(f"{name}: {verdict.detail}" for name, verdict in verdicts.items())
        if worst is None:
            return Verdict("ok", detail)
        return Verdict(worst.status, detail, worst.evidence, worst.remedy)


def store(service: str, found: tuple[Container, ...]) -> Verdict:
    """The verdict on a service that only has to run."""
    running = [one for one in found if one.running]
    if running:
        return health(running)
    if found and all(one.status == "exited" and one.exit_code == 0 for one in found):
        return Verdict(
            "warn",
            "ended with exit code 0",
            tuple(described(one) for one in found),
            f"right for a job that runs once; otherwise: docker start {found[0].name}",
        )
    evidence = tuple(described(one) for one in found) or (f"no container of {service} exists",)
    return Verdict("fail", "does not run", evidence, logs_of(found) if found else "inv deploy creates it")


def health(running: list[Container]) -> Verdict:
    """The verdict on the health of containers that run."""
    if not running:
        return Verdict("skip", "no container runs")
    counts = {state: [one for one in running if one.health == state] for state in ("unhealthy", "starting", "none")}
    detail = f"{len(running) - sum(map(len, counts.values()))} of {len(running)} healthy"
    bad = counts["unhealthy"] + counts["starting"]
    if bad:
        words = ", ".join(f"{len(counts[state])} {state}" for state in ("unhealthy", "starting") if counts[state])
        evidence = [line for one in bad for line in (described(one), *_probe(one))]
        return Verdict("fail", f"{detail}, {words}", tuple(evidence), logs_of(bad))
    if counts["none"]:
        names = ", ".join(one.name for one in counts["none"])
        return Verdict(
            "warn",
            f"{detail}, {len(counts['none'])} without a healthcheck: unverifiable",
            (f"no healthcheck: {names}",),
            "add HEALTHCHECK to the Dockerfile, or healthcheck to the Compose file",
        )
    return Verdict("ok", detail)


def described(one: Container) -> str:
    """A container in one line of evidence."""
    words = [one.status]
    if one.running:
        words.append(one.health if one.health != "none" else "no healthcheck")
    elif one.status in ("exited", "dead"):
        words.append(f"exit code {one.exit_code}")
    if one.oom_killed:
        words.append("out of memory")
    if one.restarts:
        words.append(f"restarted {one.restarts} times")
    release = f" of release {one.release}" if one.release else ""
    return f"{one.name}{release}: {', '.join(words)}"


def logs_of(found: list[Container] | tuple[Container, ...]) -> str:
    """The command that shows why, for the first of these containers."""
    worst = next((one for one in found if not one.running or one.health != "healthy"), None)
    worst = worst or next(iter(found), None)
    return f"docker logs --tail 50 {worst.name}" if worst else "docker ps --all shows what exists"


def _probe(one: Container) -> tuple[str, ...]:
    return tuple(f"  {line}" for line in one.probe_output.splitlines()[-_PROBE_LINES:])
