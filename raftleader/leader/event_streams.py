"""One framework's event stream: what is due, made into events when it is read.

Offers and updates wait as names of rows, not as events. They become events at the
moment they are received, and only if they are still true then: an offer consumed
while it waited is not sent, an update acknowledged meanwhile is not either. So a
slow framework costs us little memory and is never told what is no longer so.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Callable, Sequence

import attrs
import trio

from raftleader.protocol.ids import FrameworkId, OfferId, TaskKey
from raftleader.protocol.offers import Offer
from raftleader.protocol.scheduler_api import Error, Event, Offers, Update
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import ClusterState


@attrs.frozen
class DueOffer:
    """An offer to be sent, if it is still outstanding."""

    offer_id: OfferId


@attrs.frozen
class DueUpdate:
    """The first pending update of a task, if it is still that.

    Only its name, not the status: that may carry data, and a retry may wait long
    after the update was acknowledged. ``key`` is None if it belongs to no task.
    """

    key: TaskKey | None
    uuid: bytes

    @property
    def name(self) -> TaskKey | bytes:
        """Of the updates with one name, one is on its way at a time."""
        return self.uuid if self.key is None else self.key


Item = Event | DueOffer | DueUpdate


class FrameworkStream:
    """An ``EventStream``: filled by ``Subscriptions``, read by the HTTP API.

    Attributes:
        subscription: Number of the subscription it belongs to, from the log.
        updates: By task (by uuid, where there is none) the uuid of the update that
            is on its way on this stream.
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
    ) -> None:
        """``closed`` is told once, with the reason, when it ends on its own side:
        ``gone`` (the client went) or ``slow`` (too many events were waiting)."""
        self.framework_id = framework_id
        self.subscription = subscription
        self.updates: dict[TaskKey | bytes, bytes] = {}
        self.rescinds_told: tuple[object, ...] = ()
        self._stream_id = stream_id
        self._state = state
        self._events_max = events_max
        self._closed = closed
        self._orphans_seen: tuple[TaskStatus, ...] = ()
        self._orphans_by_uuid: dict[bytes, TaskStatus] = {}
        self._items: deque[Item] = deque()
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
        if len(self._items) >= self._events_max:
            self._items.clear()
            self.end()
            self._closed(self, "slow")
            return
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
                return events
            if self._ended:
                raise trio.EndOfChannel
            self._wake = trio.Event()
            await self._wake.wait()

    def close(self) -> None:
        """See ``EventStream.close``."""
        self._items.clear()
        if not self._ended:
            self.end()
            self._closed(self, "gone")

    def pending_status(self, due: DueUpdate) -> TaskStatus | None:
        """The status that is due, or None if it was acknowledged meanwhile."""
        if due.key is None:
            return self._orphans().get(due.uuid)
        task = self._state.tasks.get(due.key)
        if task is None or not task.pending or task.pending[0].uuid != due.uuid:
            return None
        return task.pending[0]

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

    def _take(self) -> list[Event]:
        events: list[Event] = []
        offers: list[Offer] = []
        for item in self._items:
            if isinstance(item, DueOffer):
                offer = self._offer(item.offer_id)
                if offer is not None:
                    offers.append(offer)
                continue
            if isinstance(item, DueUpdate):
                status = self.pending_status(item)
                if status is not None:
                    events.append(Update(status=status))
                continue
            if offers:  # what came before it stays before it
                events.append(Offers(offers=tuple(offers)))
                offers = []
            events.append(item)
        if offers:
            events.append(Offers(offers=tuple(offers)))
        self._items.clear()
        return events

    def _offer(self, offer_id: OfferId) -> Offer | None:
        row = self._state.offers.get(offer_id)
        agent = self._state.agents.get(row.agent_id) if row is not None else None
        if row is None or agent is None:
            return None
        return Offer(
            id=row.id,
            framework_id=row.framework_id,
            agent_id=row.agent_id,
            role=row.role,
            resources=row.resources,
            agent=agent.info,
        )


def new_stream_id(rng: random.Random) -> str:
    """As ``uuid.uuid4``, but of our generator, so that a seed replays it."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
