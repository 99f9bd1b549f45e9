"""Who follows the cluster: the subscribers of the operator API's event stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from raftleader.api.documents import whole_document
from raftleader.api.holdings import Holdings, Tables
from raftleader.api.operator.changes import EVENT, OperatorEvent, Watched
from raftleader.api.operator.reads import table_message
from raftleader.api.rendering import Pieces, message_pieces
from raftleader.httpd.messages import Stream, StreamWriter
from raftleader.leader.interface import LeaderNode
from raftleader.limits import HEARTBEAT_INTERVAL_S
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.wire.codec import write_message
from raftleader.protocol.wire.media import Media
from raftleader.state.outcomes import Applied

FOLLOWERS_MAX = 1_000
"""Beyond, the oldest is closed; Mesos' own value."""
EVENTS_WAITING_MAX = 20_000
"""Events that may wait for one follower before it is cut: a follower that reads none
for so long must look at the whole again."""
BYTES_WAITING_MAX = 64 * 1024 * 1024
"""The same for what these events hold: tasks carry data."""
EVENTS_PER_WRITE_MAX = 200
"""Writing more in one go would hold up the loop."""


@attrs.define(eq=False)
class _Follower:
    events: deque[OperatorEvent] = attrs.field(factory=deque)
    bytes_waiting: int = 0
    wake: trio.Event = attrs.field(factory=trio.Event)
    is_over: bool = False

    def has_room(self, count: int, size_bytes: int) -> bool:
        return (
            len(self.events) + count <= EVENTS_WAITING_MAX
            and self.bytes_waiting + size_bytes <= BYTES_WAITING_MAX
        )

    def take(self) -> list[OperatorEvent]:
        count = min(len(self.events), EVENTS_PER_WRITE_MAX)
        taken = [self.events.popleft() for _ in range(count)]
        self.bytes_waiting -= sum(event.size_bytes for event in taken)
        return taken

    def end(self) -> None:
        self.is_over = True
        self.events.clear()
        self.bytes_waiting = 0
        self.wake.set()


class Followers:
    """All event streams of ``node``.

    While there are any, every applied entry is compared with the rows as they were;
    with none nothing is kept and nothing is compared.

    Attributes:
        cut_slow, cut_oldest: How many were closed, by reason.
    """

    def __init__(self, node: LeaderNode) -> None:
        self._node = node
        self._followers: dict[_Follower, None] = {}
        self._watched: Watched | None = None
        self._stop: Callable[[], None] | None = None
        self.cut_slow = 0
        self.cut_oldest = 0

    @property
    def count(self) -> int:
        """Open streams."""
        return len(self._followers)

    def stream(self, media: Media) -> Stream:
        """The answer to SUBSCRIBE: everything as it is now, then what changes.

        It ends when the follower is too slow or the oldest of too many, and when this
        node leads no more. Raises NotLeaderError.
        """
        follower = self._add()
        tables = Tables.copied(self._node.state)

        async def run(writer: StreamWriter) -> None:
            try:
                snapshot = await whole_document(_subscribed(media, tables))
                await writer.send([encode_record(snapshot)])
                await _write_events(follower, media, writer)
            finally:
                self._remove(follower)

        return Stream(headers=(("Content-Type", media.value),), run=run)

    def _add(self) -> _Follower:
        if self._stop is None:
            self._stop = self._node.observe(self._on_applied, ended=self._end_all)
            self._watched = Watched(self._node.state)
        if len(self._followers) >= FOLLOWERS_MAX:
            oldest = next(iter(self._followers))
            self.cut_oldest += 1
            self._drop(oldest)
        follower = _Follower()
        self._followers[follower] = None
        return follower

    def _remove(self, follower: _Follower) -> None:
        self._drop(follower)
        if not self._followers and self._stop is not None:
            self._stop()
            self._stop = self._watched = None

    def _drop(self, follower: _Follower) -> None:
        self._followers.pop(follower, None)
        follower.end()

    def _on_applied(self, applied: Applied) -> None:
        assert self._watched is not None
        events = list(self._watched.events(applied.touched))
        if not events:
            return
        size_bytes = sum(event.size_bytes for event in events)
        for follower in tuple(self._followers):
            if follower.has_room(len(events), size_bytes):
                follower.events.extend(events)
                follower.bytes_waiting += size_bytes
                follower.wake.set()
            else:
                self.cut_slow += 1
                self._drop(follower)

    def _end_all(self) -> None:
        self._stop = self._watched = None
        for follower in tuple(self._followers):
            self._drop(follower)


def _subscribed(media: Media, tables: Tables) -> Pieces:
    holdings = Holdings()
    yield from holdings.fill(tables)
    body = {
        "get_state": table_message("GET_STATE", tables, holdings),
        "heartbeat_interval_seconds": HEARTBEAT_INTERVAL_S,
    }
    yield from message_pieces(media, EVENT, {"type": "SUBSCRIBED", "subscribed": body})


async def _write_events(
    follower: _Follower, media: Media, writer: StreamWriter
) -> None:
    """Until it is over. A heartbeat every interval, whatever else there is."""
    heartbeat = encode_record(write_message(media, EVENT, {"type": "HEARTBEAT"}))
    next_heartbeat_s = trio.current_time() + HEARTBEAT_INTERVAL_S
    while not follower.is_over:
        with trio.move_on_at(next_heartbeat_s):
            await follower.wake.wait()
        follower.wake = trio.Event()
        while follower.events:
            await writer.send([event.record(media) for event in follower.take()])
        if trio.current_time() >= next_heartbeat_s:
            next_heartbeat_s += HEARTBEAT_INTERVAL_S
            await writer.send([heartbeat])
