"""What is true on a host now: one script, one round trip, parsed into a value. Nothing is changed."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from shiptasks.config.model import Project
from shiptasks.deploy.layout import Layout
from shiptasks.deploy.release import HistoryEntry, Release, parse_history
from shiptasks.hosts.base import HostError, Session, quote
from shiptasks.hosts.containers import PROXY, Container, observe


@dataclass(frozen=True)
class HostState:
    """A host as a plan sees it. Sizes in bytes; versions empty where the tool does not answer."""

    address: str
    engine: str
    engine_problem: str
    compose: str
    disk_free: int
    writable: bool
    listening: frozenset[int]
    port_owner: str
    current: str
    releases: tuple[Release, ...]
    """Releases that were current once, the oldest first."""
    partial: tuple[str, ...]
    """Folders of releases that never became current: what a deploy that was cut off has left."""
    history: tuple[HistoryEntry, ...]
    unfinished: JournalEntry | None
    """The last thing that a deploy wrote, where that deploy never came to its end."""
    proxy_config: str
    containers: tuple[Container, ...]
    images: frozenset[str]
    """What the engine has: `name:tag`, `name@digest` and ids."""

    @property
    def release(self) -> Release | None:
        """The current release."""
        return next((release for release in self.releases if release.id == self.current), None)

    @property
    def proxy(self) -> Container | None:
        return next((container for container in self.containers if container.service == PROXY), None)

    def has_image(self, ref: str) -> bool:
        """Whether the engine has an image, given as `name:tag`, `name:tag@digest` or an id."""
        name, _, digest = ref.partition("@")
        if not digest:
            return ref in self.images
        head, _, tail = name.rpartition(":")
        bare = name if not head or "/" in tail else head
        return f"{bare}@{digest}" in self.images

    def of(self, service: str) -> tuple[Container, ...]:
        return tuple(container for container in self.containers if container.service == service)


@dataclass(frozen=True)
class JournalEntry:
    """One line of `journal.jsonl`: the intent or the end of a step, or of the whole deploy."""

    deploy: str
    version: str
    by: str
    at: str
    step: str
    phase: str
    """`begin` and `end` of a step; `done`, `taken-back` or `not-restored` of the whole."""

    def to_line(self) -> str:
        return json.dumps(self.__dict__, sort_keys=True)


def look(session: Session, project: Project, layout: Layout, address: str) -> HostState:
    """Observe a host. Raises HostError when it does not answer as expected."""
    result = session.run(_script(project, layout), timeout=60)
    found = _sections(result.stdout)
    engine = found.get("engine", "").strip()
    containers = observe(session, project.project) if engine else ()
    return HostState(
        address=address,
        engine=engine,
        engine_problem=found.get("engine-problem", "").strip(),
        compose=found.get("compose", "").strip().removeprefix("v"),
        disk_free=_smallest(found.get("disk", "")),
        writable=found.get("writable", "").strip() == "yes",
        listening=_listening(found.get("sockets", "")),
        port_owner=found.get("port-owner", "").strip(),
        current=found.get("current", "").strip(),
        releases=_releases(found.get("releases", "")),
        partial=tuple(found.get("partial", "").split()),
        history=parse_history(found.get("history", "")),
        unfinished=unfinished(found.get("journal", "")),
        proxy_config=found.get("proxy-config", ""),
        containers=containers,
        images=frozenset(word for word in found.get("images", "").split() if "<none>" not in word),
    )


def _script(project: Project, layout: Layout) -> str:
    base = quote(layout.base)
    images = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}} {{.ID}}"
    sections = {
        "engine": "docker version --format '{{.Server.Version}}' 2>/dev/null",
        "engine-problem": "docker version --format '{{.Server.Version}}' 2>&1 >/dev/null | tail -n 1",
        "compose": "docker compose version --short 2>/dev/null",
        # The folders that exist by now, up from the one that will hold the releases, and where images are stored.
        "disk": (
            f'd={base}; while [ ! -d "$d" ]; do d=$(dirname "$d"); done; df -Pk "$d" | tail -n 1\n'
            "r=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)\n"
            '[ -n "$r" ] && [ -d "$r" ] && df -Pk "$r" | tail -n 1'
        ),
        "writable": f'd={base}; while [ ! -d "$d" ]; do d=$(dirname "$d"); done; [ -w "$d" ] && echo yes',
        "sockets": "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null",
        "port-owner": f"docker ps --filter publish={project.proxy.port} --format '{{{{.Names}}}}' 2>/dev/null",
        "current": f'l=$(readlink {quote(layout.current)} 2>/dev/null) && basename "$l"',
        "releases": (
            f"for f in {quote(layout.releases)}/*/release.json; do\n"
            '  [ -e "$f" ] && [ -e "${f%/*}/deployed" ] && base64 < "$f" | tr -d "\\n" && echo\ndone'
        ),
        "partial": (
            f'for d in {quote(layout.releases)}/*; do\n  [ -d "$d" ] && [ ! -e "$d/deployed" ] && basename "$d"\ndone'
        ),
        "history": f"cat {quote(layout.history)} 2>/dev/null",
        "journal": f"tail -n 1 {quote(layout.journal)} 2>/dev/null",
        "proxy-config": f"cat {quote(layout.proxy)}/haproxy.cfg 2>/dev/null",
        # While another image is removed, the list may fail once.
        "images": f"for i in 1 2 3; do docker image ls --no-trunc --digests --format {quote(images)} 2>/dev/null"
        " && break; sleep 0.2; done",
    }
    # Each section is base64 on a line of its own: no content can be taken for a heading.
    return "\n".join(
        f"printf '%s ' {name}; {{ {body}\n}} | base64 | tr -d '\\n'; echo" for name, body in sections.items()
    )


def _sections(output: str) -> dict[str, str]:
    sections = {}
    for line in output.splitlines():
        name, _, encoded = line.partition(" ")
        try:
            sections[name] = base64.b64decode(encoded, validate=True).decode(errors="replace")
        except binascii.Error as error:
            raise HostError(f"the host wrote something unreadable: {line[:80]!r}") from error
    return sections


def _smallest(df: str) -> int:
    free = [int(words[3]) * 1024 for words in map(str.split, df.splitlines()) if len(words) > 3 and words[3].isdigit()]
    return min(free, default=0)


def _listening(sockets: str) -> frozenset[int]:
    """TCP ports in state LISTEN (0A), from the tables of /proc/net (proc_net_tcp(5))."""
    rows = (line.split() for line in sockets.splitlines())
    return frozenset(int(row[1].rpartition(":")[2], 16) for row in rows if len(row) > 3 and row[3] == "0A")


def _releases(lines: str) -> tuple[Release, ...]:
    releases = []
    for line in lines.splitlines():
        try:
            releases.append(Release.from_json(base64.b64decode(line, validate=True).decode()))
        except ValueError:
            continue
    return tuple(sorted(releases, key=lambda release: release.id))


def unfinished(journal: str) -> JournalEntry | None:
    """The last entry, unless it ends its deploy. A line that was cut off by a crash counts as unfinished."""
    lines = journal.splitlines()
    if not lines:
        return None
    try:
        entry = JournalEntry(**json.loads(lines[-1]))
    except (ValueError, TypeError):
        return JournalEntry(deploy="", version="unknown", by="unknown", at="", step="unknown", phase="begin")
    return None if entry.phase in ("done", "taken-back") else entry
