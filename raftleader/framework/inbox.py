"""Events between the stream that reads them and the handler that takes them.

Two tasks, because a handler may wait for a call that waits for the stream to be
opened again: on one task that would be a deadlock.
"""

from __future__ import annotations

from collections import deque

import attrs
import trio

from raftleader.framework.offer_book import OfferBook
from raftleader.protocol.scheduler_api import (
    Event,
    Heartbeat,
    Offers,
    Rescind,
    Subscribed,
    UnknownEvent,
)

EVENTS_WAITING_MAX = 10_000
"""More than this and the stream is not read: the leader sees a slow framework."""


@attrs.frozen
class Loss:
    """The stream was lost."""


class Inbox:
    """Keeps the offer book and a queue of what the handler must hear."""

    def __init__(self, book: OfferBook) -> None:
        self._book = book
        self._events: deque[Event | Loss] = deque()
        self._is_busy = False
        self._was_subscribed = False
        self._arrived = trio.Event()
        self._left = trio.Event()

    async def hear(self, event: Event) -> None:
        """Take an event at once; then wait while too many wait."""
        self._note(event)
        while len(self._events) > EVENTS_WAITING_MAX:
            await self._wait_left()

    def hear_loss(self) -> None:
        """The stream was lost."""
        self._put(Loss())

    async def take(self) -> Event | Loss:
        """The next event; call ``done`` once it was handled."""
        while not self._events:
            self._arrived = trio.Event()
            await self._arrived.wait()
        self._is_busy = True
        return self._events.popleft()

    def done(self) -> None:
        """The event taken last was handled."""
        self._is_busy = False
        self._left.set()

    async def wait_empty(self) -> None:
        """All events were handled."""
        while self._events or self._is_busy:
            await self._wait_left()

    async def _wait_left(self) -> None:
        if self._left.is_set():
            self._left = trio.Event()
        await self._left.wait()

    def _put(self, event: Event | Loss) -> None:
        self._events.append(event)
        self._arrived.set()

    def _note(self, event: Event) -> None:
        match event:
            case Heartbeat():
                for offer_id in self._book.heartbeat():
                    self._put(Rescind(offer_id=offer_id))
            case Offers(offers=offers):
                new = self._book.offered(offers)
                if new:
                    self._put(Offers(offers=new))
            case Rescind(offer_id=offer_id):
                if self._book.rescinded(offer_id):
                    self._put(event)
            case Subscribed():
                if self._was_subscribed:
                    self._book.resubscribed()
                self._was_subscribed = True
                self._put(event)
            case UnknownEvent():
                pass
            case _:
                self._put(event)
