"""The product list as the JSON that clients get, kept in memory for a few seconds."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any


class Catalogue:
    def __init__(
        self,
        fetch: Callable[[], Awaitable[list[dict[str, Any]]]],
        ttl: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._clock = clock
        self._lock = asyncio.Lock()
        self._body = b""
        self._fresh_until = float("-inf")

    async def as_json(self) -> bytes:
        """The list, at most `ttl` seconds old. Many callers at once cost one query."""
        if self._clock() >= self._fresh_until:
            async with self._lock:
                if self._clock() >= self._fresh_until:
                    products = await self._fetch()
                    self._body = json.dumps({"products": products}, separators=(",", ":")).encode()
                    self._fresh_until = self._clock() + self._ttl
        return self._body
