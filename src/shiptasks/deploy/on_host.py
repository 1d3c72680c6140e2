"""One host during a deploy: its session, its folders, its journal. What steps are given to work with."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from shiptasks.config.model import Project
from shiptasks.deploy import flock
from shiptasks.deploy.compose import FILES, ComposeModel
from shiptasks.deploy.haproxy import Runtime, render
from shiptasks.deploy.layout import Layout
from shiptasks.deploy.release import Release
from shiptasks.deploy.state import JournalEntry
from shiptasks.hosts.base import Host, HostError, Result, Session, quote

_TURN_WAIT = 30.0
COMPOSE_TIMEOUT = 120.0
"""Seconds for a Compose command that pulls nothing and waits for nothing."""


@dataclass(frozen=True)
class Names:
    """What a deploy is called, in journals and lock files."""

    deploy: str
    version: str
    by: str


def _nobody(*_: str) -> None:
    """Nobody listens between steps."""


class OnHost:
    """A host with an open session. Used by one thread at a time.

    Journal lines ride in front of the next script, so that they cost no round trip of their own.
    """

    def __init__(
        self,
        host: Host,
        address: str,
        layout: Layout,
        project: Project,
        names: Names,
    ) -> None:
        self.host = host
        self.address = address
        self.layout = layout
        self.project = project
        self.names = names
        self.tell: Callable[[str], None] = _nobody
        """Says a short word on how the running step is doing."""
        self.output: Callable[[str, str], None] = _nobody
        """Takes each line that a script writes."""
        self.serving: dict[str, tuple[str, ...]] = {}
        """Containers that get traffic now, by service, in the order of their slots."""
        self._session: Session | None = None
        self._pending: list[JournalEntry] = []

    @property
    def session(self) -> Session:
        if self._session is None:
            session = self.host.session()
            # Where a connection broke, what ran on it may run on: two scripts at a time would meet half-way.
            if not flock.take(session, self.layout.turn, 8, wait=_TURN_WAIT):
                session.close()
                raise HostError(f"a step that lost its connection still runs on {self.address}", where=self.address)
            self._session = session
        return self._session

    def quiet(self) -> None:
        """Between steps nobody listens."""
        self.tell = self.output = _nobody

    def reopen(self) -> None:
        """Drop the session, and with it whatever still runs there; the next script opens another."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def run(
        self, script: str, *, timeout: float | None = COMPOSE_TIMEOUT, check: bool = True, quiet: bool = False
    ) -> Result:
        """Run a script, with the journal lines that are due in front of it. `quiet`: what it writes is not told."""
        pending, self._pending = self._pending, []
        prefix = "".join(
            f"printf '%s\\n' {quote(entry.to_line())} >> {quote(self.layout.journal)} || exit 1\n" for entry in pending
        )
        return self.session.run(
            prefix + script, timeout=timeout, check=check, on_line=_nobody if quiet else self.output
        )

    def journal(self, step: str, phase: str, *, now: bool = False) -> None:
        """Note the intent or the end of a step; written before the next script runs, or at once."""
        at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        names = self.names
        self._pending.append(JournalEntry(names.deploy, names.version, names.by, at, step, phase))
        if now:
            self.run(":")

    def compose(self, release: str, arguments: str) -> str:
        """A Compose command on the files of a release, as a script. `arguments` are quoted by the caller."""
        folder = self.layout.release(release)
        files = " ".join(f"--file {quote(f'{folder}/{name}')}" for name in FILES)
        return (
            f"docker compose --progress plain --project-name {quote(self.project.project)}"
            f" --project-directory {quote(folder)} --env-file {quote(f'{folder}/.env')} {files} {arguments}"
        )

    @property
    def proxy(self) -> Runtime:
        return Runtime(self.session, f"{self.project.project}-proxy-1")

    def write_proxy_config(self, model: ComposeModel) -> None:
        """Write haproxy.cfg as it has to be if the proxy started now."""
        text = render(self.project, model, self.serving)
        self.session.put(text.encode(), f"{self.layout.proxy}/haproxy.cfg", mode=0o644)


def release_files(release: Release, compose_text: str, overlay: str, env: bytes) -> tuple[tuple[str, bytes, int], ...]:
    """The files of a release's folder, by name, content and mode."""
    return (
        (FILES[0], compose_text.encode(), 0o644),
        (FILES[1], overlay.encode(), 0o644),
        (".env", env, 0o600),
        ("release.json", release.to_json().encode(), 0o644),
    )
