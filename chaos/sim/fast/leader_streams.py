"""The frameworks' event streams and calls at the scripted leader.

As ``raftleader.leader.subscriptions``: what a framework must know follows from the
state when its stream opens, and from the rows that each entry touched after that.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from chaos.sim.fast.calls import Answered, Asked, Unserved
from chaos.sim.fast.leader_operations import OperationNews
from chaos.sim.fast.network import Connection
from raftleader.api.commands import LoggedCall, command_of, subscription_of
from raftleader.errors import RaftLeaderError
from raftleader.leader.subscriptions import CONNECT_GRACE_S, FAILED_OVER
from raftleader.limits import UPDATE_RETRY_S
from raftleader.protocol.ids import FrameworkId, OfferId, TaskKey
from raftleader.protocol.offers import Offer
from raftleader.protocol.scheduler_api import (
    Error,
    Event,
    Heartbeat,
    LeaderInfo,
    Offers,
    OperationUpdate,
    Reconcile,
    ReconcileOperations,
    Rescind,
    SendMessage,
    Subscribe,
    Subscribed,
    Update,
)
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import OperationKey
from raftleader.state.commands import DisconnectFramework
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Subscription, Touched
from raftleader.state.queries import (
    executor_ids,
    first_pending_updates,
    implicit_operation_reconciliation,
    implicit_reconciliation,
)

if TYPE_CHECKING:
    from chaos.sim.fast.leader import LeaderTerm

HEARTBEAT_S = 5.0


@attrs.define(eq=False)
class Stream:
    """One open stream.

    Attributes:
        number: Names it, as ``Mesos-Stream-Id`` does.
        updates: By task (by uuid, where there is none) the update that is on its way,
            and when it was sent last.
        operations: Those whose end is on its way, and when it was sent last.
    """

    connection: Connection
    framework_id: FrameworkId
    subscription: int
    number: int
    updates: dict[TaskKey | bytes, tuple[bytes, float]] = attrs.field(factory=dict)
    rescinds_told: set[OfferId] = attrs.field(factory=set)
    operations: dict[OperationKey, float] = attrs.field(factory=dict)


class Streams:
    """All open streams of one term, by framework."""

    def __init__(self, leader: LeaderTerm, rng: random.Random) -> None:
        self.by_framework: dict[FrameworkId, Stream] = {}
        self._leader = leader
        self._node = leader.node
        self._state = leader.state
        self._rng = rng
        self._operations = OperationNews(leader, self)
        self._offers_sent: dict[OfferId, Stream] = {}
        self._suspects: dict[FrameworkId, int] = {}
        self._looked_s = self._heartbeat_s = leader.node.agenda.now_s
        self._info = LeaderInfo(
            id=leader.node.name,
            hostname=leader.node.name,
            ip="127.0.0.1",
            port=5050,
            version="",
        )

    def subscribe(self, connection: Connection, call: Subscribe) -> None:
        """SUBSCRIBE came: commit it, then open the stream."""

        def told(outcome: Outcome | RaftLeaderError, index: int) -> None:
            if isinstance(outcome, RaftLeaderError) or self._leader.is_over:
                self._node.clients.answer(connection, Unserved(503, "not leading"))
            elif isinstance(outcome, Accepted):
                assert isinstance(outcome.value, Subscription)
                self._node.judge.answered(self._node.name, index)
                self._open(connection, outcome.value)
            else:
                message = outcome.message or outcome.refusal.value
                self._node.clients.answer(connection, Error(message=message))

        self._leader.submit(subscription_of(call), told)

    def ask(self, connection: Connection, asked: Asked) -> None:
        """A call came: commit it, then answer."""
        call = asked.call
        stream = self.by_framework.get(call.framework_id)
        if stream is None or stream.number != asked.stream:
            self._node.clients.answer(connection, Answered(asked.number, 0))
        elif isinstance(call, Reconcile | ReconcileOperations):
            self._reconcile(connection, asked.number, call)
        elif isinstance(call, SendMessage):
            agents = self._leader.agents
            agents.executors.send(agents.by_agent.get(call.agent_id), call)
            self._node.clients.answer(connection, Answered(asked.number, 202))
        else:
            self._submit(connection, asked.number, call)

    def _submit(self, connection: Connection, number: int, call: LoggedCall) -> None:
        def told(outcome: Outcome | RaftLeaderError, index: int) -> None:
            status = 503
            if not isinstance(outcome, RaftLeaderError):
                is_known = isinstance(outcome, Accepted) or outcome.refusal in (
                    Refusal.UNKNOWN_TASK,
                    Refusal.INVALID_OFFERS,
                    Refusal.WRONG_AGENT,
                )
                status = 202 if is_known else 400
                self._node.judge.answered(self._node.name, index)
            self._node.clients.answer(connection, Answered(number, status))

        self._leader.submit(command_of(call), told)

    def _reconcile(
        self,
        connection: Connection,
        number: int,
        call: Reconcile | ReconcileOperations,
    ) -> None:
        """Passes a barrier, then tells all from the state."""
        judge = self._node.judge
        asked_after = judge.newest_answer

        def done(result: object, error: Exception | None) -> None:
            if error is not None or self._leader.is_over:
                self._node.clients.answer(connection, Answered(number, 503))
                return
            judge.read(self._node.name, asked_after, self._state.index)
            framework = self._state.frameworks.get(call.framework_id)
            stream = self.by_framework.get(call.framework_id)
            if framework is None or stream is None:
                pass
            elif isinstance(call, Reconcile):
                for status in implicit_reconciliation(self._state, framework):
                    self.put(stream, Update(status=status))
            else:
                ends = implicit_operation_reconciliation(self._state, framework.id)
                for end in ends:
                    self.put(stream, OperationUpdate(status=end))
            self._node.clients.answer(connection, Answered(number, 202))

        self._node.asks.read(done)

    def closed(self, connection: Connection) -> None:
        """The client is gone: its failover timeout begins."""
        for stream in list(self.by_framework.values()):
            if stream.connection is connection:
                del self.by_framework[stream.framework_id]
                self._disconnect(stream.framework_id, stream.subscription)

    def end(self) -> None:
        """The term is over: every stream ends, nobody is disconnected by it."""
        streams, self.by_framework = self.by_framework, {}
        for stream in streams.values():
            self._node.network.close(stream.connection, 1)

    def applied(self, touched: Touched) -> None:
        """Put what this entry made due on the streams."""
        for framework_id in touched.frameworks:
            stream = self.by_framework.get(framework_id)
            if stream is not None:
                self._look_at_framework(stream)
        for offer_id in touched.offers:
            row = self._state.offers.get(offer_id)
            if row is None:
                sent_on = self._offers_sent.pop(offer_id, None)
                if sent_on is not None:
                    self._tell_rescinds(sent_on)
                continue
            stream = self.by_framework.get(row.framework_id)
            if stream is not None:
                self._send_offers(stream, (offer_id,))
        for key in touched.tasks:
            stream = self.by_framework.get(key[0])
            if stream is not None:
                self._look_at_task(stream, key)
        if touched.operations or touched.inverse_offers:
            self._operations.applied(touched)

    def look(self) -> None:
        """Once a second: heartbeats, retries, subscriptions without a stream."""
        now_s = self._node.agenda.now_s
        for stream in list(self.by_framework.values()):
            if now_s - self._heartbeat_s >= HEARTBEAT_S:
                self.put(stream, Heartbeat())
            if any(
                now_s - at_s >= UPDATE_RETRY_S for _, at_s in stream.updates.values()
            ):
                self._repeat_updates(stream, now_s)
        self._operations.look()
        if now_s - self._heartbeat_s >= HEARTBEAT_S:
            self._heartbeat_s = now_s
        if now_s - self._looked_s >= CONNECT_GRACE_S:
            self._looked_s = now_s
            self._disconnect_the_absent()

    def _open(self, connection: Connection, subscription: Subscription) -> None:
        framework_id = subscription.framework_id
        framework = self._state.frameworks.get(framework_id)
        if framework is None or framework.subscription != subscription.subscription:
            text = FAILED_OVER if framework else "Framework has been removed"
            self._node.clients.answer(connection, Error(message=text))
            return
        if not connection.is_open[1]:
            self._disconnect(framework_id, subscription.subscription)
            return
        older = self.by_framework.get(framework_id)
        if older is not None:
            self.put(older, Error(message=FAILED_OVER))
        stream = Stream(
            connection,
            framework_id,
            subscription.subscription,
            self._rng.getrandbits(62),
        )
        self.by_framework[framework_id] = stream
        self._node.clients.answer(connection, Answered(stream.number, 200))
        self.put(
            stream,
            Subscribed(
                framework_id=framework_id,
                heartbeat_interval_s=HEARTBEAT_S,
                leader=self._info,
            ),
        )
        self._send_offers(stream, self._state.offers_by_framework.get(framework_id, ()))
        self._tell_rescinds(stream)
        for status in first_pending_updates(self._state, framework_id):
            key = (framework_id, status.task_id)
            is_of_row = (
                key in self._state.tasks
                and status in (self._state.tasks[key].pending[:1])
            )
            self._send_update(stream, key if is_of_row else None, status)
        self._operations.begin(stream)
        self._leader.look_at_all()

    def _look_at_framework(self, stream: Stream) -> None:
        framework = self._state.frameworks.get(stream.framework_id)
        if framework is None or framework.subscription != stream.subscription:
            self._drop(stream, None if framework is None else FAILED_OVER)
        elif not framework.connected:
            self._drop(stream, None)
        else:
            for status in framework.orphan_updates:
                if status.uuid not in stream.updates:
                    self._send_update(stream, None, status)

    def _look_at_task(self, stream: Stream, key: TaskKey) -> None:
        task = self._state.tasks.get(key)
        if task is None or not task.pending:
            stream.updates.pop(key, None)
        else:
            self._send_update(stream, key, task.pending[0])

    def _send_offers(self, stream: Stream, offer_ids: Iterable[OfferId]) -> None:
        offers = []
        for offer_id in offer_ids:
            row = self._state.offers[offer_id]
            if self._offers_sent.get(offer_id) is stream:
                continue
            self._offers_sent[offer_id] = stream
            offers.append(
                Offer(
                    id=row.id,
                    framework_id=row.framework_id,
                    agent_id=row.agent_id,
                    role=row.role,
                    resources=row.resources,
                    agent=self._state.agents[row.agent_id].info,
                    executor_ids=executor_ids(
                        self._state, row.framework_id, row.agent_id
                    ),
                )
            )
        if offers:
            self.put(stream, Offers(offers=tuple(offers)))

    def _tell_rescinds(self, stream: Stream) -> None:
        framework = self._state.frameworks.get(stream.framework_id)
        for rescinded in framework.rescinds if framework is not None else ():
            if rescinded.is_inverse:
                continue
            if rescinded.offer_id not in stream.rescinds_told:
                stream.rescinds_told.add(rescinded.offer_id)
                self.put(stream, Rescind(offer_id=rescinded.offer_id))

    def _send_update(
        self, stream: Stream, key: TaskKey | None, status: TaskStatus
    ) -> None:
        assert status.uuid is not None, "a pending update has a uuid"
        name = status.uuid if key is None else key
        known = stream.updates.get(name)
        if known is None or known[0] != status.uuid:
            stream.updates[name] = (status.uuid, self._node.agenda.now_s)
            self.put(stream, Update(status=status))

    def _repeat_updates(self, stream: Stream, now_s: float) -> None:
        old = {
            name
            for name, (_, at_s) in stream.updates.items()
            if now_s - at_s >= UPDATE_RETRY_S
        }
        for status in first_pending_updates(self._state, stream.framework_id):
            key = (stream.framework_id, status.task_id)
            name = key if key in old else status.uuid
            if name is not None and name in old:
                del stream.updates[name]
                old.discard(name)
                self._send_update(stream, key if name == key else None, status)
        for name in old:
            del stream.updates[name]

    def tell(self, framework_id: FrameworkId, event: Event) -> None:
        """Once, if the framework listens; else it is lost."""
        stream = self.by_framework.get(framework_id)
        if stream is not None:
            self.put(stream, event)

    def put(self, stream: Stream, event: Event) -> None:
        """Send it."""
        self._node.network.send(stream.connection, 1, event)

    def _drop(self, stream: Stream, error: str | None) -> None:
        """The log says it is over, so there is nothing to tell the log."""
        if self.by_framework.get(stream.framework_id) is stream:
            del self.by_framework[stream.framework_id]
        if error is not None:
            self.put(stream, Error(message=error))
        self._node.network.close(stream.connection, 1)

    def _disconnect(self, framework_id: FrameworkId, subscription: int) -> None:
        self._leader.submit(
            DisconnectFramework(framework_id=framework_id, subscription=subscription)
        )

    def _disconnect_the_absent(self) -> None:
        absent = {
            framework.id: framework.subscription
            for framework in self._state.frameworks.values()
            if framework.connected and framework.id not in self.by_framework
        }
        for framework_id, subscription in absent.items():
            if self._suspects.get(framework_id) == subscription:
                self._disconnect(framework_id, subscription)
        self._suspects = absent
