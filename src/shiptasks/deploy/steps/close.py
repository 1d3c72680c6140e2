"""Steps after the new containers serve: watch them, make the release current, remove what is not needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from shiptasks.deploy import health
from shiptasks.deploy.on_host import OnHost
from shiptasks.deploy.release import HistoryEntry, Release
from shiptasks.deploy.steps.base import Sign, Step, words
from shiptasks.hosts.base import quote

JOURNAL_LINES = 1000
"""Lines of the journal that are kept; it is cut when it has twice as many."""


@dataclass(frozen=True, kw_only=True)
class Stabilise(Step):
    """Watch the new containers: all stay healthy, none restarts."""

    stage: ClassVar[str] = "stabilise"
    containers: tuple[str, ...]
    seconds: float

    def describe(self) -> str:
        return f"watch {len(self.containers)} new containers for {self.seconds:g} s"

    def apply(self, on: OnHost) -> None:
        health.watch(on, self.containers, self.seconds)


@dataclass(frozen=True, kw_only=True)
class MarkCurrent(Step):
    """Make the release the current one: in the history, and by the link, which is switched by rename."""

    stage: ClassVar[str] = "mark current"
    sign: ClassVar[Sign] = "~"
    release: Release = field(repr=False)
    kind: Literal["deploy", "rollback"]
    entry: HistoryEntry = field(repr=False)
    previous: str = ""

    def describe(self) -> str:
        return f"current -> releases/{self.release.id}"

    def apply(self, on: OnHost) -> None:
        on.run(
            f"printf '%s\\n' {quote(self.entry.to_line())} >> {quote(on.layout.history)} && "
            f": > {quote(on.layout.release(self.release.id))}/deployed && {_link(on, self.release.id)}"
        )

    def describe_back(self) -> str:
        return f"current -> releases/{self.previous}" if self.previous else "no release is current"

    def take_back(self, on: OnHost) -> None:
        line = quote(self.entry.to_line())
        history = quote(on.layout.history)
        on.run(
            f"if [ -e {history} ]; then grep -vxF -e {line} {history} > {history}.new; mv {history}.new {history}; fi\n"
            + (_link(on, self.previous) if self.previous else f"rm -f {quote(on.layout.current)}")
        )


def _link(on: OnHost, release: str) -> str:
    new = quote(f"{on.layout.current}.new")
    # mv -T renames over the link itself; where it is unknown (BSD), -h does the same.
    rename = f"{new} {quote(on.layout.current)}"
    return f"ln -sfn {quote(f'releases/{release}')} {new} && {{ mv -T {rename} 2>/dev/null || mv -fh {rename}; }}"


@dataclass(frozen=True, kw_only=True)
class CleanUp(Step):
    """Remove what nothing needs any more: replaced containers, releases past the limit and their images."""

    stage: ClassVar[str] = "clean up"
    sign: ClassVar[Sign] = "-"
    containers: tuple[str, ...]
    releases: tuple[str, ...]
    refs: tuple[str, ...]

    def describe(self) -> str:
        parts = []
        if self.containers:
            parts.append(f"containers {', '.join(self.containers)}")
        if self.releases:
            parts.append(f"releases {', '.join(self.releases)}")
        return "remove " + "; ".join(parts)

    def apply(self, on: OnHost) -> None:
        script = ""
        if self.containers:
            names = words(self.containers)
            remove = 'docker stop "$c" >/dev/null 2>&1; docker rm -f --volumes "$c" || failed=1'
            script += f"for c in {names}; do {remove}; done\n"
        for release in self.releases:
            script += f"rm -rf {quote(on.layout.release(release))} || failed=1\n"
        for ref in self.refs:
            # An image that something else still uses stays.
            script += f"docker image rm {quote(ref)} >/dev/null 2>&1 || :\n"
        journal = quote(on.layout.journal)
        script += f"[ $(wc -l < {journal}) -lt {2 * JOURNAL_LINES} ] || "
        script += f"{{ tail -n {JOURNAL_LINES} {journal} > {journal}.new && mv {journal}.new {journal}; }}\n"
        on.run(f"failed=0\n{script}exit $failed")
