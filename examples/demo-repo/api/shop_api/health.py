"""Whether this process is ready for traffic, watched in the background so that asking costs nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from psycopg import Error as DatabaseError

log = logging.getLogger(__name__)


class Readiness:
    """`starting` until the catalogue is warm, then `ok`, or `database unavailable` while that is so."""

    def __init__(
        self,
        warm: Callable[[], Awaitable[object]],
        ping: Callable[[], Awaitable[None]],
        *,
        warm_up: float,
        interval: float = 1.0,
        timeout: float = 2.0,
    ) -> None:
        self.status = "starting"
        self._warm = warm
        self._ping = ping
        self._warm_up = warm_up
        self._interval = interval
        self._timeout = timeout

    @property
    def ready(self) -> bool:
        return self.status == "ok"

    async def watch(self) -> None:
        """Warm up, then look at the database every `interval` seconds, for ever."""
        # A demonstration has six products. A real shop loads price lists and a search index here.
        await asyncio.sleep(self._warm_up)
        while not await self._answers(self._warm, otherwise="starting"):
            await asyncio.sleep(self._interval)
        while True:
            await asyncio.sleep(self._interval)
            await self._answers(self._ping, otherwise="database unavailable")

    async def _answers(self, call: Callable[[], Awaitable[object]], *, otherwise: str) -> bool:
        # A late call is not given up: it returns when the database is back, or when the connection breaks.
        late = asyncio.get_running_loop().call_later(self._timeout, self._become, otherwise)
        try:
            await call()
        except (DatabaseError, OSError) as error:
            log.warning("database: %s", error)
            self._become(otherwise)
            return False
        finally:
            late.cancel()
        self._become("ok")
        return True

    def _become(self, status: str) -> None:
        if status != self.status:
            log.info("%s -> %s", self.status, status)
            self.status = status
