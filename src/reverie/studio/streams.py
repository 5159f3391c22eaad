"""Streams of events: what is in the journal first, then what comes, to any number of listeners."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from reverie.queue.entries import Event
from reverie.queue.store import Store

STILL = 15.0
"""Seconds after which a stream says that it is still there."""


class Streams:
    """Wakes the listeners when something is in the journal.

    Args:
        store: the journal.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()
        self._ended = False

    def open(self) -> None:
        """Begin, within the loop that serves the listeners."""
        self._loop = asyncio.get_running_loop()

    def changed(self) -> None:
        """Wake every listener; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring)

    def end(self) -> None:
        """End every stream: the service is about to."""
        self._ended = True
        self.changed()

    async def of(self, job: str | None, past: int) -> AsyncIterator[bytes]:
        """Yield the events after a number, of one job until that is over, or of all without end."""
        yield b"retry: 1000\n\n"
        bell = asyncio.Event()
        self._waiting.add(bell)
        try:
            while not self._ended:
                bell.clear()
                while found := self._store.events(past, job=job):
                    for event in found:
                        yield sent(event)
                    past = found[-1].number
                if job is not None and self._store.is_over(job):
                    return
                try:
                    await asyncio.wait_for(bell.wait(), STILL)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._waiting.discard(bell)

    def _ring(self) -> None:
        for bell in self._waiting:
            bell.set()


def sent(event: Event) -> bytes:
    """An event as it is sent: its number, its kind, and the job's id with the rest as JSON."""
    data = json.dumps({"job": event.job, **event.data})
    return f"id: {event.number}\nevent: {event.kind}\ndata: {data}\n\n".encode()
