"""The frameworks' event streams while this node leads.

Who has one, since when and until when, and its heartbeat. What is put on it is the
business of ``deliveries.py``.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Collection

import trio

from raftleader import limits
from raftleader.errors import NotLeaderError, RaftLeaderError
from raftleader.leader.deliveries import Deliveries
from raftleader.leader.event_streams import FrameworkStream, new_stream_id
from raftleader.leader.figures import Figures, FrameworkFigures
from raftleader.leader.submitting import Submit
from raftleader.leader.update_retries import UpdateRetries
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.scheduler_api import (
    Event,
    Heartbeat,
    LeaderInfo,
    Subscribed,
)
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import DisconnectFramework
from raftleader.state.outcomes import Touched

FAILED_OVER = "Framework failed over"
"""Mesos' own words; libraries look for them."""
CONNECT_GRACE_S = 5.0
"""A subscription in the log whose stream is not open after one to two times this is
disconnected: its client went before the stream began, or a disconnect was lost."""

_log = logging.getLogger(__name__)


class Subscriptions:
    """All open event streams of one term; see the module docstring.

    Attributes:
        counts: How many streams were opened, and cut for which reason.
    """

    def __init__(
        self,
        state: ClusterState,
        *,
        leader: LeaderInfo,
        rng: random.Random,
        submit: Submit,
        events_max: int = limits.STREAM_EVENTS_MAX,
        heartbeat_interval_s: float = limits.HEARTBEAT_INTERVAL_S,
        counts: Counter[str] | None = None,
        figures: Figures | None = None,
    ) -> None:
        self.counts: Counter[str] = counts if counts is not None else Counter()
        self._figures = figures or Figures()
        self._state = state
        self._leader = leader
        self._rng = rng
        self._submit = submit
        self._events_max = events_max
        self._heartbeat_interval_s = heartbeat_interval_s
        self._streams: dict[FrameworkId, FrameworkStream] = {}
        self._retries = UpdateRetries()
        self._deliveries = Deliveries(state, self._streams, self._retries)
        self._is_closed = False

    def get(self, framework_id: FrameworkId) -> FrameworkStream | None:
        """The open stream of this framework, or None."""
        return self._streams.get(framework_id)

    def framework_ids(self) -> Collection[FrameworkId]:
        """Frameworks whose stream is open; a view, it changes."""
        return self._streams.keys()

    def open(self, framework_id: FrameworkId, subscription: int) -> FrameworkStream:
        """See ``LeaderNode.open_stream``. Raises NotLeaderError after the term.

        The stream of a subscription that is no longer the newest, or whose
        framework was removed, has nothing but its end.
        """
        if self._is_closed:
            raise NotLeaderError(None)
        framework = self._state.frameworks.get(framework_id)
        is_known = framework is not None
        figures = self._figures.of(framework_id) if is_known else FrameworkFigures()
        stream = FrameworkStream(
            framework_id,
            subscription,
            stream_id=new_stream_id(self._rng),
            state=self._state,
            events_max=self._events_max,
            closed=self._stream_closed,
            told=figures.on_events,
        )
        if framework is None:
            stream.end("Framework has been removed")
            return stream
        if framework.subscription != subscription:
            stream.end(FAILED_OVER)
            return stream
        older = self._streams.get(framework_id)
        if older is not None:
            older.end(FAILED_OVER)
        self._streams[framework_id] = stream
        self.counts["streams_opened"] += 1
        stream.put(
            Subscribed(
                framework_id=framework.id,
                heartbeat_interval_s=self._heartbeat_interval_s,
                leader=self._leader,
            )
        )
        stream.put(Heartbeat())
        self._deliveries.begin(stream, framework)
        return stream

    def put(self, framework_id: FrameworkId, event: Event) -> None:
        """Queue an event for a framework, if its stream is open."""
        stream = self._streams.get(framework_id)
        if stream is not None:
            stream.put(event)

    def on_applied(self, touched: Touched) -> None:
        """Put what this entry made due on the streams. On the hot path."""
        for framework_id in touched.frameworks:
            stream = self._streams.get(framework_id)
            if stream is not None:
                self._look_at_framework(stream)
        self._deliveries.on_applied(touched)

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Heartbeats, retries and lost disconnects, until cancelled; then ``close``."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_heartbeats)
                nursery.start_soon(self._retries.run)
                nursery.start_soon(self._disconnect_the_absent)
                task_status.started()
        finally:
            self.close()

    def close(self) -> None:
        """The term is over: every stream ends, and nobody is disconnected by it
        (the next leader's BeginTerm gives all of them time to come back)."""
        self._is_closed = True
        streams = list(self._streams.values())
        self._streams.clear()
        for stream in streams:
            stream.end()

    def _look_at_framework(self, stream: FrameworkStream) -> None:
        """End the stream if the log says that it is over."""
        framework = self._state.frameworks.get(stream.framework_id)
        if framework is None:
            self._drop(stream, None)
        elif framework.subscription != stream.subscription:
            self._drop(stream, FAILED_OVER)
        elif not framework.connected:
            self._drop(stream, None)

    def _drop(self, stream: FrameworkStream, error: str | None) -> None:
        """The log says it is over, so there is nothing to tell the log."""
        if self._streams.get(stream.framework_id) is stream:
            del self._streams[stream.framework_id]
        stream.end(error)

    def _stream_closed(self, stream: FrameworkStream, reason: str) -> None:
        self.counts[f"streams_cut_{reason}"] += 1
        _log.info(
            "event stream over",
            extra={"framework_id": stream.framework_id, "why": reason},
        )
        if self._streams.get(stream.framework_id) is not stream:
            return
        del self._streams[stream.framework_id]
        self._disconnect(stream.framework_id, stream.subscription)

    def _disconnect(self, framework_id: FrameworkId, subscription: int) -> None:
        try:
            self._submit(
                DisconnectFramework(
                    framework_id=framework_id, subscription=subscription
                )
            )
        except RaftLeaderError:
            # Not leading: the next leader sees to it. Overloaded: found again by
            # ``_disconnect_the_absent``.
            return

    async def _send_heartbeats(self) -> None:
        while True:
            await trio.sleep(self._heartbeat_interval_s)
            for stream in list(self._streams.values()):
                stream.put(Heartbeat())

    async def _disconnect_the_absent(self) -> None:
        suspects: dict[FrameworkId, int] = {}
        while True:
            await trio.sleep(CONNECT_GRACE_S)
            absent = {
                framework.id: framework.subscription
                for framework in self._state.frameworks.values()
                if framework.connected and framework.id not in self._streams
            }
            for framework_id, subscription in absent.items():
                if suspects.get(framework_id) == subscription:
                    self._disconnect(framework_id, subscription)
            suspects = absent
