"""One framework's event stream: what is due, made into events when it is read.

Offers and updates wait as names of rows, not as events (``due.py``). They become
events at the moment they are received, and only if they are still true then. So a
slow framework costs us little memory and is never told what is no longer so.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Callable, Sequence

import trio

from raftleader.leader.due import (
    DueInverseOffer,
    DueOffer,
    DueOperation,
    DueStatus,
    DueUpdate,
    Item,
)
from raftleader.protocol.ids import FrameworkId, TaskKey
from raftleader.protocol.offers import InverseOffer, Offer, OperationStatus
from raftleader.protocol.scheduler_api import (
    Error,
    Event,
    InverseOffers,
    Message,
    Offers,
    OperationUpdate,
    Update,
)
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import ClusterState

EVENTS_PER_TAKE_MAX = 200
"""Handed out in one go: what is encoded in one go holds up the loop, and with it
Raft. What waits on stays as small as a name, and can still be taken back."""
BYTES_PER_TAKE_MAX = 1024 * 1024
"""The same in bytes of messages and of tasks' data; one event alone may have more."""
WAITING_BYTES_MAX = 64 * 1024 * 1024
"""Of events that carry their own bytes: messages of executors, answers to RECONCILE."""
EVENT_BYTES = 256
"""What an event of a few fields costs us, roughly."""


class FrameworkStream:
    """An ``EventStream``: filled by ``Subscriptions``, read by the HTTP API.

    Bounded twice: by the number of events that wait, and by the bytes of those that
    carry their own.

    Attributes:
        subscription: Number of the subscription it belongs to, from the log.
        updates: By task (by uuid, where there is none) the uuid of the update that
            is on its way on this stream; operations' are among them.
        rescinds_told: The framework's rescinds when we last looked.
    """

    def __init__(
        self,
        framework_id: FrameworkId,
        subscription: int,
        *,
        stream_id: str,
        state: ClusterState,
        events_max: int,
        closed: Callable[[FrameworkStream, str], None],
        told: Callable[[Sequence[Event]], None] = lambda events: None,
    ) -> None:
        """``closed`` is told once, with the reason, when it ends on its own side:
        ``gone`` (the client went) or ``slow`` (too many events were waiting).
        ``told`` hears of what is received."""
        self.framework_id = framework_id
        self.subscription = subscription
        self.updates: dict[TaskKey | bytes, bytes] = {}
        self.rescinds_told: tuple[object, ...] = ()
        self._stream_id = stream_id
        self._state = state
        self._events_max = events_max
        self._closed = closed
        self._told = told
        self._orphans_seen: tuple[TaskStatus, ...] = ()
        self._orphans_by_uuid: dict[bytes, TaskStatus] = {}
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._ended = False
        self._wake = trio.Event()

    @property
    def stream_id(self) -> str:
        return self._stream_id

    @property
    def is_ended(self) -> bool:
        """Nothing more will be put on it."""
        return self._ended

    def put(self, item: Item) -> None:
        """Queue what is due; cuts the stream when too much is waiting."""
        if self._ended:
            return
        size = _own_bytes(item)
        if (
            len(self._items) >= self._events_max
            or self._bytes + size > WAITING_BYTES_MAX
        ):
            self._clear()
            self.end()
            self._closed(self, "slow")
            return
        self._bytes += size
        self._items.append(item)
        self._wake.set()

    def end(self, error: str | None = None) -> None:
        """No more events after those that wait and, if given, an ERROR."""
        if self._ended:
            return
        if error is not None:
            self._items.append(Error(message=error))
        self._ended = True
        self._wake.set()

    async def receive(self) -> Sequence[Event]:
        """See ``EventStream.receive``. Cancel-safe: nothing is taken then."""
        while True:
            events = self._take()
            if events:
                self._told(events)
                return events
            if self._ended:
                raise trio.EndOfChannel
            self._wake = trio.Event()
            await self._wake.wait()

    def close(self) -> None:
        """See ``EventStream.close``."""
        self._clear()
        if not self._ended:
            self.end()
            self._closed(self, "gone")

    def status_of(self, due: DueStatus) -> TaskStatus | OperationStatus | None:
        """The status that is due, or None if it was acknowledged meanwhile."""
        if isinstance(due, DueUpdate) and due.key is None:
            return self._orphans().get(due.uuid)
        return due.found(self._state)

    def fresh_orphans(self) -> list[TaskStatus]:
        """Updates without a task that are not on their way yet, oldest first.

        New ones are at the end, so we need not look past one that was sent.
        """
        framework = self._state.frameworks.get(self.framework_id)
        fresh: list[TaskStatus] = []
        for status in reversed(framework.orphan_updates if framework else ()):
            if status.uuid in self.updates:
                break
            fresh.append(status)
        return fresh[::-1]

    def _orphans(self) -> dict[bytes, TaskStatus]:
        """Updates without a task, by uuid: there may be thousands of them."""
        framework = self._state.frameworks.get(self.framework_id)
        orphans = framework.orphan_updates if framework is not None else ()
        if orphans is not self._orphans_seen:
            self._orphans_seen = orphans
            self._orphans_by_uuid = {s.uuid: s for s in orphans if s.uuid is not None}
        return self._orphans_by_uuid

    def _clear(self) -> None:
        self._items.clear()
        self._bytes = 0

    def _take(self) -> list[Event]:
        """Some of what waits. Offers that wait next to each other are one event."""
        events: list[Event] = []
        offers: list[Offer] = []
        inverse: list[InverseOffer] = []

        def flush() -> None:
            """What came before an event stays before it."""
            if offers:
                events.append(Offers(offers=tuple(offers)))
                offers.clear()
            if inverse:
                events.append(InverseOffers(inverse_offers=tuple(inverse)))
                inverse.clear()

        taken = taken_bytes = 0
        while (
            self._items
            and taken < EVENTS_PER_TAKE_MAX
            and taken_bytes < BYTES_PER_TAKE_MAX
        ):
            item = self._items.popleft()
            if isinstance(item, DueOffer):
                offer = item.found(self._state)
                if offer is not None:
                    offers.append(offer)
                    taken += 1
                continue
            if isinstance(item, DueInverseOffer):
                inverse_offer = item.found(self._state)
                if inverse_offer is not None:
                    inverse.append(inverse_offer)
                    taken += 1
                continue
            event: Event | None
            if isinstance(item, DueUpdate | DueOperation):
                event = self._status_event(item)
            else:
                self._bytes -= _own_bytes(item)
                event = item
            if event is not None:
                taken_bytes += _own_bytes(event)
                flush()
                events.append(event)
                taken += 1
        flush()
        return events

    def _status_event(self, due: DueStatus) -> Event | None:
        status = self.status_of(due)
        if isinstance(status, TaskStatus):
            return Update(status=status)
        return None if status is None else OperationUpdate(status=status)


def _own_bytes(item: Item) -> int:
    """What it holds itself; what is only a name holds next to nothing."""
    if isinstance(item, DueOffer | DueInverseOffer | DueUpdate | DueOperation):
        return 0
    if isinstance(item, Message):
        return len(item.data) + EVENT_BYTES
    if isinstance(item, Error):
        return len(item.message) + EVENT_BYTES
    if isinstance(item, Update | OperationUpdate):
        return status_bytes(item.status) + EVENT_BYTES
    return EVENT_BYTES


def status_bytes(status: TaskStatus | OperationStatus) -> int:
    """Of the parts of a status that may be large."""
    size = len(status.message or "")
    if isinstance(status, TaskStatus):
        size += len(status.data or b"")
    return size


def new_stream_id(rng: random.Random) -> str:
    """As ``uuid.uuid4``, but of our generator, so that a seed replays it."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
