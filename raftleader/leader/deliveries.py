"""What frameworks must hear, put on their streams as the log goes on.

Theory of operation. A stream opened for a subscription is first given everything
the state says its framework must know; from then on each applied entry names the
rows it touched, and only those are looked at. Nothing here remembers what to
deliver: a new leader derives it from the state, a stream only remembers what is
already on its way, so that nothing is sent twice but by the retry timer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raftleader.leader.due import (
    DueInverseOffer,
    DueOffer,
    DueOperation,
    DueStatus,
    DueUpdate,
)
from raftleader.leader.event_streams import FrameworkStream
from raftleader.leader.update_retries import UpdateRetries
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskKey
from raftleader.protocol.scheduler_api import Failure, Rescind, RescindInverseOffer
from raftleader.state.cluster import (
    ClusterState,
    Framework,
    OperationKey,
    Rescinded,
)
from raftleader.state.outcomes import Touched


class Deliveries:
    """See the module docstring."""

    def __init__(
        self,
        state: ClusterState,
        streams: Mapping[FrameworkId, FrameworkStream],
        retries: UpdateRetries,
    ) -> None:
        """``streams`` are the open ones; it changes while we look at it."""
        self._state = state
        self._streams = streams
        self._retries = retries
        # Outstanding offers of both kinds, and the stream each was put on last.
        self._offers_sent: dict[OfferId, FrameworkStream] = {}
        self._reachable = {
            agent_id
            for agent_id, agent in state.agents.items()
            if agent.unreachable_ms is None
        }

    def begin(self, stream: FrameworkStream, framework: Framework) -> None:
        """Put everything on a new stream that its framework must know."""
        for offer_id in self._state.offers_by_framework.get(framework.id, ()):
            self._send_offer(stream, DueOffer(offer_id))
        for offer_id in self._state.inverse_offers_by_framework.get(framework.id, ()):
            self._send_offer(stream, DueInverseOffer(offer_id))
        stream.rescinds_told = framework.rescinds
        _put_rescinds(stream, framework.rescinds)
        for key in self._state.tasks_by_framework.get(framework.id, ()):
            self._look_at_task(stream, key)
        self._look_at_orphans(stream)
        for operation in self._state.operations_by_framework.get(framework.id, ()):
            self._look_at_operation(stream, operation)

    def on_applied(self, touched: Touched) -> None:
        """Put what this entry made due on the streams. On the hot path."""
        for framework_id in touched.frameworks:
            stream = self._streams.get(framework_id)
            if stream is not None:
                self._look_at_orphans(stream)
        for offer_id in touched.offers:
            self._look_at_offer(offer_id)
        for offer_id in touched.inverse_offers:
            self._look_at_inverse_offer(offer_id)
        for key in touched.tasks:
            stream = self._streams.get(key[0])
            if stream is not None:
                self._look_at_task(stream, key)
        for operation in touched.operations:
            stream = self._streams.get(operation[0])
            if stream is not None:
                self._look_at_operation(stream, operation)
        for agent_id in touched.agents:
            self._look_at_agent(agent_id)

    def _look_at_orphans(self, stream: FrameworkStream) -> None:
        for status in stream.fresh_orphans():
            assert status.uuid is not None, "a pending update has a uuid"
            self._send_status(stream, DueUpdate(None, status.uuid))

    def _look_at_offer(self, offer_id: OfferId) -> None:
        row = self._state.offers.get(offer_id)
        if row is None:
            self._offer_gone(offer_id)
            return
        stream = self._streams.get(row.framework_id)
        if stream is not None:
            self._send_offer(stream, DueOffer(offer_id))

    def _look_at_inverse_offer(self, offer_id: OfferId) -> None:
        row = self._state.inverse_offers.get(offer_id)
        if row is None:
            self._offer_gone(offer_id)
            return
        stream = self._streams.get(row.framework_id)
        if stream is not None:
            self._send_offer(stream, DueInverseOffer(offer_id))

    def _offer_gone(self, offer_id: OfferId) -> None:
        """Answered, or rescinded: then its framework remembers that."""
        stream = self._offers_sent.pop(offer_id, None)
        if stream is None:
            return
        framework = self._state.frameworks.get(stream.framework_id)
        if framework is None or framework.rescinds is stream.rescinds_told:
            return
        told = set(stream.rescinds_told)
        stream.rescinds_told = framework.rescinds
        _put_rescinds(stream, (r for r in framework.rescinds if r not in told))

    def _send_offer(
        self, stream: FrameworkStream, due: DueOffer | DueInverseOffer
    ) -> None:
        if self._offers_sent.get(due.offer_id) is not stream:
            self._offers_sent[due.offer_id] = stream
            stream.put(due)

    def _look_at_task(self, stream: FrameworkStream, key: TaskKey) -> None:
        task = self._state.tasks.get(key)
        if task is None or not task.pending:
            stream.updates.pop(key, None)
            return
        uuid = task.pending[0].uuid
        assert uuid is not None, "a pending update has a uuid"
        self._send_status(stream, DueUpdate(key, uuid))

    def _look_at_operation(self, stream: FrameworkStream, key: OperationKey) -> None:
        row = self._state.operations.get(key)
        if row is not None:
            uuid = row.status.uuid
            assert uuid is not None, "the end of an operation has a uuid"
            self._send_status(stream, DueOperation(key, uuid))

    def _send_status(self, stream: FrameworkStream, due: DueStatus) -> None:
        if stream.updates.get(due.name) != due.uuid:
            stream.updates[due.name] = due.uuid
            stream.put(due)
            self._retries.add(stream, due)

    def _look_at_agent(self, agent_id: AgentId) -> None:
        """Tell everybody of an agent that became unreachable, or is no more."""
        agent = self._state.agents.get(agent_id)
        if agent is not None and agent.unreachable_ms is None:
            self._reachable.add(agent_id)
        elif agent_id in self._reachable:
            self._reachable.discard(agent_id)
            for stream in list(self._streams.values()):
                stream.put(Failure(agent_id=agent_id))


def _put_rescinds(stream: FrameworkStream, rescinds: Iterable[Rescinded]) -> None:
    for rescinded in rescinds:
        if rescinded.is_inverse:
            stream.put(RescindInverseOffer(inverse_offer_id=rescinded.offer_id))
        else:
            stream.put(Rescind(offer_id=rescinded.offer_id))
