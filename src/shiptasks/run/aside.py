"""A listener that works aside: in a thread of its own, so that a slow or broken one holds up nothing."""

from __future__ import annotations

import os
import queue
import threading
from contextlib import suppress

from shiptasks.run.events import Event, Listener, RunFinished

PATIENCE = 10.0
"""Seconds that it may take, after the run has ended, to tell what it still has to tell."""


class Aside:
    """Hands every event to `inner` in a thread. What it raises is told once, on stderr, and it is told no more."""

    def __init__(self, name: str, inner: Listener, patience: float = PATIENCE) -> None:
        self._name = name
        self._inner = inner
        self._patience = patience
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"notifier {name}", daemon=True)
        self._thread.start()

    def handle(self, event: Event) -> None:
        self._events.put(event)
        if isinstance(event, RunFinished):
            self._events.put(None)
            self._thread.join(self._patience)
            if self._thread.is_alive():
                self._say(f"has not ended within {self._patience:g} seconds, and is left")

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self._inner.handle(event)
            except Exception as error:
                self._say(f"failed: {type(error).__name__}: {error}")
                return

    def _say(self, what: str) -> None:
        with suppress(OSError):
            os.write(2, f"shiptasks: the notifier {self._name} {what}; it changes nothing\n".encode())
