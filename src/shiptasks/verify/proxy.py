"""The check of the proxy on a host: its container runs, and is healthy."""

from __future__ import annotations

from dataclasses import dataclass

from shiptasks.hosts.containers import PROXY
from shiptasks.verify.containers import store
from shiptasks.verify.model import Facts, Verdict

GROUP = "proxy"


@dataclass(frozen=True)
class ProxyRuns:
    """The container that decides who gets traffic runs; without it nothing answers on the published port."""

    host: str
    service: str = PROXY
    group: str = GROUP

    @property
    def target(self) -> str:
        return "proxy runs"

    def look(self, facts: Facts) -> Verdict:
        return store(PROXY, facts.containers(self.host, PROXY))
