"""What an entry of the log means to whoever follows the cluster: operator events.

The state keeps no history, so whoever follows keeps the rows as last seen and compares.
Rows never change: what is kept is references, and events are written only when they are
sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from raftleader.api.holdings import Holdings
from raftleader.api.operator.messages import (
    agent_message,
    framework_info,
    framework_message,
    identifier,
    task_message,
    task_status_message,
)
from raftleader.api.rendering import message_pieces
from raftleader.protocol.ids import AgentId, FrameworkId, TaskKey
from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus
from raftleader.protocol.wire.media import Media
from raftleader.state.cluster import Agent, ClusterState, Framework, Task
from raftleader.state.outcomes import Touched

EVENT = "master.Event"
EVENT_BYTES = 2048
"""Of an event without anything large in it, roughly."""
OFFER_BYTES = 512
"""Of an offer in an event, roughly."""

_encoder = msgspec.msgpack.Encoder()
_ALWAYS_TOLD = frozenset(
    {Reason.TASK_CHECK_STATUS_UPDATED, Reason.TASK_HEALTH_CHECK_STATUS_UPDATED}
)


class OperatorEvent:
    """One event for all who follow: made and written once, when the first needs it.

    Attributes:
        size_bytes: What it holds while it waits, written or not, roughly.
    """

    __slots__ = ("_records", "_to_tree", "size_bytes", "type")

    def __init__(
        self, kind: str, to_tree: Callable[[], JsonObject], own_bytes: int = 0
    ) -> None:
        self.type = kind
        self.size_bytes = EVENT_BYTES + 3 * own_bytes  # as it is, and as base64
        self._to_tree = to_tree
        self._records: dict[Media, bytes] = {}

    def record(self, media: Media) -> bytes:
        """The event as one RecordIO record."""
        record = self._records.get(media)
        if record is None:
            message = {"type": self.type, self.type.lower(): self._to_tree()}
            data = b"".join(message_pieces(media, EVENT, message))
            record = self._records[media] = encode_record(data)
        return record


class Watched:
    """The rows as last seen."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._tasks = dict(state.tasks)
        self._agents = dict(state.agents)
        self._frameworks = dict(state.frameworks)

    def events(self, touched: Touched) -> Iterator[OperatorEvent]:
        """What became of the rows that were just touched, and remember them."""
        for framework_id in touched.frameworks:
            yield from self._framework(framework_id)
        for agent_id in touched.agents:
            yield from self._agent(agent_id)
        for key in touched.tasks:
            yield from self._task(key)

    def _framework(self, framework_id: FrameworkId) -> Iterator[OperatorEvent]:
        old = self._frameworks.get(framework_id)
        new = self._state.frameworks.get(framework_id)
        if new is None:
            if old is not None:
                del self._frameworks[framework_id]
                yield _framework_removed(old)
            return
        self._frameworks[framework_id] = new
        if old is None or _is_changed(old, new):
            kind = "FRAMEWORK_ADDED" if old is None else "FRAMEWORK_UPDATED"
            yield _framework_event(kind, new, self._state)

    def _agent(self, agent_id: AgentId) -> Iterator[OperatorEvent]:
        """An agent that cannot be reached is removed to those who follow, as in Mesos,
        and added again when it comes back."""
        old, new = self._agents.get(agent_id), self._state.agents.get(agent_id)
        if new is None:
            self._agents.pop(agent_id, None)
        else:
            self._agents[agent_id] = new
        was_here = old is not None and old.unreachable_ms is None
        is_here = new is not None and new.unreachable_ms is None
        if is_here and not was_here:
            assert new is not None
            yield _agent_added(new)
        elif was_here and not is_here:
            yield _agent_removed(agent_id)

    def _task(self, key: TaskKey) -> Iterator[OperatorEvent]:
        old, new = self._tasks.get(key), self._state.tasks.get(key)
        if new is None:
            if old is not None:
                del self._tasks[key]
                yield from self._task_gone(old)
            return
        self._tasks[key] = new
        if old is None:
            yield _task_added(new)
            return
        told = False
        known = {id(status) for status in old.statuses}
        states = {status.state for status in old.statuses}
        for status in new.statuses:
            if id(status) in known or status in old.statuses:
                continue
            if status.state not in states or status.reason in _ALWAYS_TOLD:
                told = True
                yield _task_updated(new.framework_id, status, new.state)
        if new.state is not old.state and not told:
            yield _task_updated(new.framework_id, self._status(new), new.state)

    def _task_gone(self, old: Task) -> Iterator[OperatorEvent]:
        """A row that goes while its task lives ends it, with its framework perhaps."""
        if old.state.is_terminal:
            return
        completed = self._state.completed_tasks.get(old.key)
        state = TaskState.KILLED if completed is None else completed.state
        yield _task_updated(old.framework_id, self._status(old, state), state)

    def _status(self, task: Task, state: TaskState | None = None) -> TaskStatus:
        return TaskStatus(
            task_id=task.info.task_id,
            state=state or task.state,
            source=Source.LEADER,
            agent_id=task.info.agent_id,
            timestamp_ms=self._state.clock_ms,
        )


def _is_changed(old: Framework, new: Framework) -> bool:
    return (
        old.subscription != new.subscription
        or old.connected is not new.connected
        or (old.info is not new.info and old.info != new.info)
        or old.offer_constraints != new.offer_constraints
    )


def _task_added(row: Task) -> OperatorEvent:
    return OperatorEvent(
        "TASK_ADDED", lambda: {"task": task_message(row)}, _own_bytes_of(row.info)
    )


def _task_updated(
    framework_id: FrameworkId, status: TaskStatus, state: TaskState
) -> OperatorEvent:
    return OperatorEvent(
        "TASK_UPDATED",
        lambda: {
            "framework_id": identifier(framework_id),
            "status": task_status_message(status),
            "state": state.value,
        },
        _own_bytes_of(status),
    )


def _agent_added(row: Agent) -> OperatorEvent:
    return OperatorEvent("AGENT_ADDED", lambda: {"agent": agent_message(row)})


def _agent_removed(agent_id: AgentId) -> OperatorEvent:
    return OperatorEvent("AGENT_REMOVED", lambda: {"agent_id": identifier(agent_id)})


def _framework_event(kind: str, row: Framework, state: ClusterState) -> OperatorEvent:
    """With what it has been offered and holds at this moment."""
    holdings = Holdings()
    offers = [state.offers[key] for key in state.offers_by_framework.get(row.id, ())]
    agents = {offer.agent_id: state.agents[offer.agent_id] for offer in offers}
    holdings.add_offers(offers)
    held: dict[str, int] = {}
    for by_framework in state.allocated.values():
        for name, millis in by_framework.get(row.id, {}).items():
            held[name] = held.get(name, 0) + millis
    holdings.used[row.id] = held
    return OperatorEvent(
        kind,
        lambda: {"framework": framework_message(row, holdings, agents)},
        _own_bytes_of(row.info) + OFFER_BYTES * len(offers),
    )


def _own_bytes_of(value: msgspec.Struct) -> int:
    """How large it is."""
    return len(_encoder.encode(value))


def _framework_removed(row: Framework) -> OperatorEvent:
    return OperatorEvent(
        "FRAMEWORK_REMOVED", lambda: {"framework_info": framework_info(row)}
    )
