"""The frameworks' event streams while this node leads.

Theory of operation. A stream opened for a subscription is first given everything
the state says its framework must know; from then on each applied entry names the
rows it touched, and only those are looked at. Nothing here remembers what to
deliver: a new leader derives it from the state, a stream only remembers what is
already on its way, so that nothing is sent twice but by the retry timer.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Collection

import trio

from raftleader import limits
from raftleader.errors import NotLeaderError, RaftLeaderError
from raftleader.leader.event_streams import (
    DueOffer,
    DueUpdate,
    FrameworkStream,
    new_stream_id,
)
from raftleader.leader.submitting import Submit
from raftleader.leader.update_retries import UpdateRetries
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskKey
from raftleader.protocol.scheduler_api import (
    Event,
    Failure,
    Heartbeat,
    LeaderInfo,
    Rescind,
    Subscribed,
)
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import ClusterState, Framework
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
    ) -> None:
        self.counts: Counter[str] = counts if counts is not None else Counter()
        self._state = state
        self._leader = leader
        self._rng = rng
        self._submit = submit
        self._events_max = events_max
        self._heartbeat_interval_s = heartbeat_interval_s
        self._streams: dict[FrameworkId, FrameworkStream] = {}
        # Outstanding offers, and the stream each was put on last.
        self._offers_sent: dict[OfferId, FrameworkStream] = {}
        self._retries = UpdateRetries()
        self._unreachable = {
            agent_id
            for agent_id, agent in state.agents.items()
            if agent.unreachable_ms is not None
        }
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
        stream = FrameworkStream(
            framework_id,
            subscription,
            stream_id=new_stream_id(self._rng),
            state=self._state,
            events_max=self._events_max,
            closed=self._stream_closed,
        )
        framework = self._state.frameworks.get(framework_id)
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
        self._greet(stream, framework)
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
        for offer_id in touched.offers:
            self._look_at_offer(offer_id)
        for key in touched.tasks:
            stream = self._streams.get(key[0])
            if stream is not None:
                self._look_at_task(stream, key)
        for agent_id in touched.agents:
            self._look_at_agent(agent_id)

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
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.end()

    def _greet(self, stream: FrameworkStream, framework: Framework) -> None:
        stream.put(
            Subscribed(
                framework_id=framework.id,
                heartbeat_interval_s=self._heartbeat_interval_s,
                leader=self._leader,
            )
        )
        stream.put(Heartbeat())
        for offer_id in self._state.offers_by_framework.get(framework.id, ()):
            self._send_offer(stream, offer_id)
        stream.rescinds_told = framework.rescinds
        for rescinded in framework.rescinds:
            stream.put(Rescind(offer_id=rescinded.offer_id))
        for key in self._state.tasks_by_framework.get(framework.id, ()):
            self._look_at_task(stream, key)
        for status in stream.fresh_orphans():
            self._send_update(stream, None, status)

    def _look_at_framework(self, stream: FrameworkStream) -> None:
        framework = self._state.frameworks.get(stream.framework_id)
        if framework is None:
            self._drop(stream, None)
        elif framework.subscription != stream.subscription:
            self._drop(stream, FAILED_OVER)
        elif not framework.connected:
            self._drop(stream, None)
        else:
            for status in stream.fresh_orphans():
                self._send_update(stream, None, status)

    def _look_at_offer(self, offer_id: OfferId) -> None:
        row = self._state.offers.get(offer_id)
        if row is not None:
            stream = self._streams.get(row.framework_id)
            if stream is not None:
                self._send_offer(stream, offer_id)
            return
        sent_on = self._offers_sent.pop(offer_id, None)
        if sent_on is not None:
            self._tell_rescinds(sent_on)

    def _tell_rescinds(self, stream: FrameworkStream) -> None:
        framework = self._state.frameworks.get(stream.framework_id)
        if framework is None or framework.rescinds is stream.rescinds_told:
            return
        told = set(stream.rescinds_told)
        stream.rescinds_told = framework.rescinds
        for rescinded in framework.rescinds:
            if rescinded not in told:
                stream.put(Rescind(offer_id=rescinded.offer_id))

    def _send_offer(self, stream: FrameworkStream, offer_id: OfferId) -> None:
        if self._offers_sent.get(offer_id) is not stream:
            self._offers_sent[offer_id] = stream
            stream.put(DueOffer(offer_id))

    def _look_at_task(self, stream: FrameworkStream, key: TaskKey) -> None:
        task = self._state.tasks.get(key)
        if task is None or not task.pending:
            stream.updates.pop(key, None)
        else:
            self._send_update(stream, key, task.pending[0])

    def _send_update(
        self, stream: FrameworkStream, key: TaskKey | None, status: TaskStatus
    ) -> None:
        uuid = status.uuid
        assert uuid is not None, "a pending update has a uuid"
        due = DueUpdate(key, uuid)
        if stream.updates.get(due.name) != uuid:
            stream.updates[due.name] = uuid
            stream.put(due)
            self._retries.add(stream, due)

    def _look_at_agent(self, agent_id: AgentId) -> None:
        agent = self._state.agents.get(agent_id)
        if agent is None or agent.unreachable_ms is None:
            self._unreachable.discard(agent_id)
        elif agent_id not in self._unreachable:
            self._unreachable.add(agent_id)
            for stream in list(self._streams.values()):
                stream.put(Failure(agent_id=agent_id))

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
