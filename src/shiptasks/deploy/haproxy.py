"""HAProxy: the configuration that it starts with, and the commands that switch traffic while it runs.

Each routed service is a backend with a fixed number of slots. A slot holds one container by its name, resolved by
Docker's DNS, so that a container that restarts with another address is followed. A deploy fills, drains and frees
slots over the runtime interface and never reloads; the file on disk always lists containers that run, so that a
proxy that restarts at any moment comes up right. The rules and their figures: docs/traffic.md.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shiptasks.config.model import Project, Service
from shiptasks.deploy.compose import ADMIN_PORT, PROXY_PORT, ComposeModel
from shiptasks.hosts.base import HostError, Session, quote

_NO_ADDRESS = "0.0.0.0"

# fd-hard-limit: without it HAProxy takes memory for as many connections as the engine allows files, which may be a
# billion; with a maxconn instead it does not start where the engine allows fewer. This is 20,000 connections at most.
_HEAD = f"""\
global
    log stdout format raw local0 notice
    fd-hard-limit 40100
    stats socket ipv4@127.0.0.1:{ADMIN_PORT} level admin expose-fd listeners
    hard-stop-after 60s

defaults
    mode http
    log global
    option dontlognull
    option forwardfor
    option redispatch 1
    # A connection that was never made may be tried again; a request that was sent may not.
    retries 3
    retry-on conn-failure
    option idle-close-on-response
    timeout connect 2s
    timeout client {{silence}}ms
    timeout server {{silence}}ms
    timeout tunnel 1h
    timeout http-request 10s
    timeout http-keep-alive 30s
    timeout queue 10s
    default-server inter 1s fastinter 200ms downinter 500ms fall 2 rise 1 pool-purge-delay 1s init-addr last,libc,none

resolvers docker
    nameserver dns 127.0.0.11:53
    accepted_payload_size 8192
    resolve_retries 3
    timeout resolve 500ms
    timeout retry 300ms
    hold valid 1s
    hold nx 5s
    hold other 30s
    hold refused 30s
    hold timeout 30s
    hold obsolete 5s
"""


def slots(service: Service) -> int:
    """Slots of a service's backend: room for a whole second set beside the one that serves."""
    return max(8, 2 * service.replicas + 2)


def render(project: Project, model: ComposeModel, serving: Mapping[str, Sequence[str]]) -> str:
    """haproxy.cfg for the containers that serve now, by service. The first line names the part that never changes
    while it runs: when that differs, the proxy has to be reloaded."""
    routed = {name: service for name, service in project.services.items() if service.routes}
    parts = [_HEAD.format(silence=round(project.proxy.timeout * 1000)), _public(routed), *_internal(routed, model)]
    head = "\n".join(parts)
    shape = head + "".join(_backend(name, service, ()) for name, service in routed.items())
    backends = "\n".join(_backend(name, service, serving.get(name, ())) for name, service in routed.items())
    return f"# shiptasks shape {_digest(shape)}\n{head}\n{backends}"


def shape(config: str) -> str:
    """The shape that a haproxy.cfg names in its first line; empty for a file that is not ours."""
    first = config.split("\n", 1)[0]
    return first.rpartition(" ")[2] if first.startswith("# shiptasks shape ") else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _public(routed: Mapping[str, Service]) -> str:
    lines = [f"frontend public\n    bind :{PROXY_PORT}"]
    routes = [(route.rstrip("/"), name) for name, service in routed.items() for route in service.routes]
    for route, name in sorted(routes, key=lambda pair: (-len(pair[0]), pair)):
        bare = _word(route)
        matches = "TRUE" if not bare else f"{{ path {bare} }} || {{ path_beg {bare}/ }}"
        lines.append(f"    use_backend {name}" + ("" if matches == "TRUE" else f" if {matches}"))
    return "\n".join(lines) + "\n"


def _word(text: str) -> str:
    """A path as one word of the configuration: of all that a path may hold, only a quote would not stand for itself."""
    return text.replace("'", "\\'")


def _internal(routed: Mapping[str, Service], model: ComposeModel) -> list[str]:
    """Traffic between services: the proxy carries their names and listens on their ports."""
    ports: dict[int, list[str]] = {}
    for name, service in routed.items():
        if service.port is not None:
            ports.setdefault(service.port, []).append(name)
    frontends = []
    for port, names in sorted(ports.items()):
        lines = [f"frontend internal-{port}\n    bind :{port}"]
        if len(names) == 1:
            lines.append(f"    default_backend {names[0]}")
        for name in names if len(names) > 1 else ():
            aliases = {name, *(alias for group in model.app(name).networks.values() for alias in group)}
            lines.append(f"    use_backend {name} if {{ req.hdr(host),host_only -i {' '.join(sorted(aliases))} }}")
        frontends.append("\n".join(lines) + "\n")
    return frontends


def _backend(name: str, service: Service, containers: Sequence[str]) -> str:
    if len(containers) > slots(service):
        raise ValueError(f"{name}: {len(containers)} containers do not fit {slots(service)} slots")
    health = _word(service.health or "/")
    lines = [
        f"backend {name}",
        "    option httpchk",
        f"    http-check send meth GET uri {health} ver HTTP/1.1 hdr Host localhost hdr User-Agent shiptasks",
        "    http-check expect status 200",
    ]
    for number in range(slots(service)):
        if number < len(containers):
            lines.append(f"    server s{number + 1} {containers[number]}:{service.port} check resolvers docker")
        else:
            address = f"{_NO_ADDRESS}:{service.port}"
            lines.append(f"    server s{number + 1} {address} check resolvers docker disabled")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Slot:
    """One server of a backend, as HAProxy reports it."""

    backend: str
    name: str
    container: str
    """Container that the slot holds, or the one that it held last; empty in a slot that was never used."""
    address: str
    status: str
    """The word of `show stat`: UP, DOWN, DRAIN, MAINT, MAINT (resolution), `no check` …"""
    sessions: int
    """Requests in flight."""
    queued: int

    @property
    def serving(self) -> bool:
        return self.status.startswith(("UP", "no check")) and self.address != _NO_ADDRESS

    @property
    def free(self) -> bool:
        return self.status.startswith("MAINT") and not self.sessions


class Runtime:
    """The runtime interface of the proxy in one host's project, by way of a session on that host."""

    def __init__(self, session: Session, container: str) -> None:
        # The official image has no socat; bash opens the connection. Commands travel on standard input.
        reach = f"exec 3<>/dev/tcp/127.0.0.1/{ADMIN_PORT}; cat >&3; cat <&3"
        self._session = session
        self._script = f"docker exec -i {quote(container)} bash -c {quote(reach)}"

    def slots(self, *commands: str) -> tuple[Slot, ...]:
        """Give commands, in order, then read back what is true. Raises HostError when one of them is refused."""
        line = ";".join((*commands, "show servers state", "show stat")) + "\n"
        result = self._session.run(self._script, stdin=line.encode(), timeout=15)
        said, state, stat = _split(result.stdout)
        complaints = [text for text in said if not _is_confirmation(text)]
        if complaints:
            raise HostError(f"HAProxy refused a command: {complaints[0]}", details=(line.strip(), *complaints))
        return _slots(state, stat)

    def assign(self, backend: str, containers: Iterable[str]) -> None:
        """Put containers into free slots, still without traffic; their addresses are resolved within a second."""
        known = [slot for slot in self.slots() if slot.backend == backend]
        free = [slot for slot in known if slot.free]
        commands = []
        for container in containers:
            if any(slot.container == container and not slot.free for slot in known):
                continue
            # The slot that a container held before comes first: then no name is ever in two slots.
            free.sort(key=lambda slot: (slot.container != container, bool(slot.container), slot.name))
            if not free:
                raise HostError(f"no free slot in the proxy for {container}")
            slot = free.pop(0)
            commands.append(f"set server {backend}/{slot.name} fqdn {container}")
        if commands:
            self.slots(*commands)

    def set_state(self, backend: str, containers: Iterable[str], state: str) -> tuple[Slot, ...]:
        """`ready`, `drain` or `maint` for the slots of some containers; returns those slots as they are then."""
        wanted = set(containers)
        held = [slot for slot in self.slots() if slot.backend == backend and slot.container in wanted]
        if not held:
            return ()
        names = {slot.name for slot in held}
        after = self.slots(*(f"set server {backend}/{name} state {state}" for name in sorted(names)))
        return tuple(slot for slot in after if slot.backend == backend and slot.name in names)

    def held(self, backend: str, containers: Iterable[str]) -> tuple[Slot, ...]:
        """The slots of some containers, as they are now."""
        wanted = set(containers)
        return tuple(slot for slot in self.slots() if slot.backend == backend and slot.container in wanted)


def _is_confirmation(text: str) -> bool:
    """`set server … fqdn` and `… addr` say what they changed; everything else that is said is an error."""
    return "changed its FQDN" in text or "IP changed from" in text or text.startswith("no need to change")


def _split(output: str) -> tuple[list[str], list[str], list[str]]:
    """What was said by commands, the lines of `show servers state`, the lines of `show stat`."""
    said: list[str] = []
    state: list[str] = []
    stat: list[str] = []
    into = said
    for line in output.splitlines():
        if line.startswith("# be_id"):
            into = state
            if said and said[-1] == "1":  # the version of the format, on a line of its own
                said.pop()
        elif line.startswith("# pxname"):
            into = stat
        if line.strip():
            into.append(line)
    if not state or not stat:
        raise HostError("the proxy's runtime interface did not answer", details=tuple(output.splitlines()[-5:]))
    return said, state, stat


def _slots(state: Sequence[str], stat: Sequence[str]) -> tuple[Slot, ...]:
    columns = state[0].lstrip("# ").split()
    names: dict[tuple[str, str], dict[str, str]] = {}
    for line in state[1:]:
        row = dict(zip(columns, line.split(), strict=False))
        names[row["be_name"], row["srv_name"]] = row
    slots = []
    for figures in csv.DictReader(io.StringIO("\n".join(stat).removeprefix("# "))):
        key = (figures["pxname"], figures["svname"])
        if key in names:
            container = names[key]["srv_fqdn"]
            slots.append(
                Slot(
                    backend=key[0],
                    name=key[1],
                    container="" if container == "-" else container,
                    address=_NO_ADDRESS if names[key]["srv_addr"] == "-" else names[key]["srv_addr"],
                    status=figures["status"],
                    sessions=int(figures["scur"] or 0),
                    queued=int(figures["qcur"] or 0),
                )
            )
    return tuple(slots)
