"""One deploy at a time on a host: `flock` held by a live shell there, so that no lock outlives its owner.

The kernel lets go of it when the shell ends, however it ends: no stale lock is ever left behind. `lock.json` beside
it only tells people who holds it. (Why not a folder or a file as the lock: docs/hosts.md.)
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass

from shiptasks.deploy import flock
from shiptasks.deploy.layout import Layout
from shiptasks.deploy.on_host import Names
from shiptasks.errors import Refused
from shiptasks.hosts.base import Host, HostError, Session, quote

_TURN_WAIT = 30.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as people are told."""

    by: str
    version: str
    since: str


class Lock:
    """Held from `acquire` to `release`, by a session of its own that does nothing else."""

    def __init__(self, host: Host, address: str, layout: Layout) -> None:
        self._host = host
        self._address = address
        self._layout = layout
        self._session: Session | None = None

    def acquire(self, names: Names, *, wait: float = 0.0) -> None:
        """Take the lock. `wait` in seconds. Raises Refused, naming the holder, when somebody else has it."""
        session = self._host.session()
        try:
            try:
                session.run(f"mkdir -p {quote(self._layout.base)}", timeout=15)
                if not flock.take(session, self._layout.lock, 9, wait=wait):
                    raise _refusal(self._address, read_holder(session, self._layout))
                # What a killed deploy had begun may still run here, in a shell that nobody talks to any more.
                if not flock.take(session, self._layout.turn, 8, wait=_TURN_WAIT, then="exec 8>&-"):
                    raise _still_running(self._address)
            except HostError as error:
                raise HostError(
                    "the lock could not be taken",
                    where=f"{self._address}:{self._layout.lock}",
                    hint=f"the user that deploys must be able to write to {self._layout.base} on the host",
                    details=error.details,
                ) from error
            since = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            info = {"by": names.by, "version": names.version, "deploy": names.deploy, "since": since}
            session.put((json.dumps(info) + "\n").encode(), self._layout.lock_info, mode=0o644)
        except BaseException:
            session.close()
            raise
        self._session = session

    def release(self) -> None:
        """Let go. Safe to call when it was never taken, and when the connection is gone."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.run(f"rm -f {quote(self._layout.lock_info)}", timeout=10, check=False)
        except HostError:
            pass  # the connection is gone, and the lock with it
        finally:
            session.close()


def read_holder(session: Session, layout: Layout) -> Holder | None:
    """Who holds the lock; None when that is not known."""
    text = session.run(f"cat {quote(layout.lock_info)} 2>/dev/null || :", timeout=10).stdout
    try:
        raw = json.loads(text)
        return Holder(str(raw["by"]), str(raw["version"]), str(raw["since"]))
    except (ValueError, KeyError, TypeError):
        return None


def _refusal(address: str, holder: Holder | None) -> Refused:
    who = (
        f"by {holder.by}, of {holder.version}, since {_ago(holder.since)}" if holder else "by somebody who left no name"
    )
    return Refused(
        "another deploy is running",
        where=address,
        now=f"it runs {who}; nothing was changed by this one",
        hint='wait until it ends, or let this one wait for it: lock-wait = "5m" under [tool.shiptasks.deploy]',
    )


def _still_running(address: str) -> Refused:
    return Refused(
        "a step of a deploy that was cut off still runs",
        where=address,
        now="nothing was changed by this one",
        hint="wait until it ends (`ps -ef | grep docker` on the host shows it), then type the same command again",
    )


def _ago(since: str) -> str:
    try:
        then = datetime.datetime.fromisoformat(since)
    except ValueError:
        return since
    seconds = max(0, int((datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()))
    return f"{then:%Y-%m-%d %H:%M:%S} UTC ({seconds // 60} min {seconds % 60} s ago)"
