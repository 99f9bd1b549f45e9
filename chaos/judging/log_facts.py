"""What stands in the log of a run, looked up by the names that clients know.

Filled entry by entry while the log is replayed; afterwards the checkers compare it with
what clients asked for and were told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import attrs

from chaos.judging.streams import LogEntry
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId, TaskKey
from raftleader.protocol.offers import Launch, LaunchGroup
from raftleader.protocol.tasks import TaskState, TaskStatus
from raftleader.state import commands as c
from raftleader.state.cluster import ClusterState
from raftleader.state.operator_commands import SetQuotas
from raftleader.state.outcomes import (
    Accepted,
    Applied,
    Outcome,
    Refusal,
    Rejected,
    Subscription,
)


@attrs.frozen(kw_only=True)
class LoggedOffer:
    """``ended`` is the index at which it was no longer out; None: still is."""

    framework_id: FrameworkId
    agent_id: AgentId
    role: str
    made: int
    ended: int | None = None


@attrs.frozen(kw_only=True)
class LoggedUpdate:
    """An update with a uuid that its framework is to be told.

    Attributes:
        place: Which of its task's updates it is, from 1.
        index: Of the entry that has it first.
    """

    key: TaskKey
    place: int
    status: TaskStatus
    index: int


@attrs.define(kw_only=True)
class LogFacts:
    """Indexes are those of entries.

    Attributes:
        launches: By task id: (index, framework) of ACCEPTs that name it. As all that
            is looked up by what a call says, also those that were refused, but for
            what a deposed leader wrote.
        answered_offers: By offer, the first entry with an ACCEPT or DECLINE of it.
        states: By task, (index, state) each time that it changed.
        agents: By task, where it was launched.
        done: What was taken, and not refused: ("launch", task id), ("kill", task id),
            ("acknowledge", uuid).
        orphans: By uuid, the task of an update that belongs to no row.
        acknowledged: By uuid, the first entry that acknowledges it.
        kills: By task id, the first entry that asks for its end.
        leaders: By term, the node whose entries of that term counted, and the first.
        reachable: By agent, (index, whether it is reachable) at each change.
        quotas: By role and its limit of cpus, the first entry that says so.
        weights: By role and weight, likewise.
        containers: By agent and task, names of the containers that ran it.
        at_ns: By index, when it was first applied.
        last: The state after all entries.
    """

    launches: dict[TaskId, list[tuple[int, FrameworkId]]] = attrs.field(factory=dict)
    answered_offers: dict[OfferId, int] = attrs.field(factory=dict)
    offers: dict[OfferId, LoggedOffer] = attrs.field(factory=dict)
    updates: dict[bytes, LoggedUpdate] = attrs.field(factory=dict)
    orphans: dict[bytes, TaskKey] = attrs.field(factory=dict)
    states: dict[TaskKey, list[tuple[int, TaskState]]] = attrs.field(factory=dict)
    done: set[tuple[str, object]] = attrs.field(factory=set)
    agents: dict[TaskKey, AgentId] = attrs.field(factory=dict)
    acknowledged: dict[bytes, int] = attrs.field(factory=dict)
    kills: dict[TaskId, int] = attrs.field(factory=dict)
    leaders: dict[int, tuple[str, int]] = attrs.field(factory=dict)
    reachable: dict[AgentId, list[tuple[int, bool]]] = attrs.field(factory=dict)
    subscriptions: dict[FrameworkId, list[tuple[int, int]]] = attrs.field(factory=dict)
    removed: dict[FrameworkId, int] = attrs.field(factory=dict)
    quotas: dict[tuple[str, int | None], int] = attrs.field(factory=dict)
    weights: dict[tuple[str, int], int] = attrs.field(factory=dict)
    containers: dict[tuple[AgentId, TaskKey], set[str]] = attrs.field(
        factory=lambda: defaultdict(set)
    )
    at_ns: dict[int, int] = attrs.field(factory=dict)
    last: ClusterState = attrs.field(factory=lambda: ClusterState(cluster_id=""))
    _made: dict[TaskKey, int] = attrs.field(factory=dict)
    _out: dict[OfferId, None] = attrs.field(factory=dict)

    def take(
        self,
        logged: LogEntry,
        entry: c.Entry | None,
        applied: Applied,
        state: ClusterState,
    ) -> None:
        """The next entry, and the state after it."""
        self.last = state
        self.at_ns[logged.index] = logged.at_ns
        if entry is None:
            return
        index = logged.index
        for command, outcome in zip(entry.commands, applied.outcomes, strict=False):
            if not (
                isinstance(outcome, Rejected) and outcome.refusal is Refusal.STALE_TERM
            ):
                self._command(index, logged.term, entry, command, outcome)
        self._offers(index, applied, state)
        self._tasks(index, applied, state)
        for agent_id in applied.touched.agents:
            agent = state.agents.get(agent_id)
            is_reachable = agent is not None and agent.unreachable_ms is None
            known = self.reachable.setdefault(agent_id, [])
            if not known or known[-1][1] != is_reachable:
                known.append((index, is_reachable))
        for framework_id in applied.touched.frameworks:
            framework = state.frameworks.get(framework_id)
            if framework is None:
                self.removed.setdefault(framework_id, index)
                continue
            for status in framework.orphan_updates:
                if status.uuid is not None:
                    self.orphans[status.uuid] = (framework_id, status.task_id)

    def _command(
        self,
        index: int,
        term: int,
        entry: c.Entry,
        command: c.Command,
        outcome: Outcome,
    ) -> None:
        self.leaders.setdefault(term, (str(entry.node), index))
        if isinstance(outcome, Accepted):
            self.done.update(_names_of(command))
        match command:
            case c.AcceptOffers():
                for offer_id in command.offer_ids:
                    self.answered_offers.setdefault(offer_id, index)
                for task_id in launched_by(command):
                    self.launches.setdefault(task_id, []).append(
                        (index, command.framework_id)
                    )
            case c.DeclineOffers():
                for offer_id in command.offer_ids:
                    self.answered_offers.setdefault(offer_id, index)
            case c.AcknowledgeUpdate():
                self.acknowledged.setdefault(command.uuid, index)
            case c.KillTask():
                self.kills.setdefault(command.task_id, index)
            case c.SubscribeFramework():
                value = outcome.value if isinstance(outcome, Accepted) else None
                if isinstance(value, Subscription):
                    self.subscriptions.setdefault(value.framework_id, []).append(
                        (index, value.subscription)
                    )
            case SetQuotas():
                for role, quota in command.quotas.items():
                    self.quotas.setdefault((role, quota.limits.get("cpus")), index)
            case c.SetWeights():
                for role, weight in command.weights.items():
                    self.weights.setdefault((role, weight), index)
            case c.UpdateTasks():
                for update in command.updates:
                    if update.status.container_id is not None:
                        key = (update.framework_id, update.status.task_id)
                        self.containers[command.agent_id, key].add(
                            update.status.container_id
                        )
            case _:
                pass

    def _offers(self, index: int, applied: Applied, state: ClusterState) -> None:
        for offer_id in applied.touched.offers:
            row = state.offers.get(offer_id)
            known = self.offers.get(offer_id)
            if row is not None and known is None:
                self.offers[offer_id] = LoggedOffer(
                    framework_id=row.framework_id,
                    agent_id=row.agent_id,
                    role=row.role,
                    made=index,
                )
            elif row is None and known is not None and known.ended is None:
                self.offers[offer_id] = attrs.evolve(known, ended=index)

    def _tasks(self, index: int, applied: Applied, state: ClusterState) -> None:
        for key in applied.touched.tasks:
            task = state.tasks.get(key)
            if task is None:
                past = state.completed_tasks.get(key)
                if past is not None:
                    self._state(key, index, past.state)
                continue
            self._state(key, index, task.state)
            self.agents[key] = task.info.agent_id
            for status in task.pending:
                if status.uuid is not None and status.uuid not in self.updates:
                    place = self._made[key] = self._made.get(key, 0) + 1
                    self.updates[status.uuid] = LoggedUpdate(
                        key=key, place=place, status=status, index=index
                    )

    def _state(self, key: TaskKey, index: int, state: TaskState) -> None:
        known = self.states.setdefault(key, [])
        if not known or known[-1][1] is not state:
            known.append((index, state))

    def was_reachable(self, agent_id: AgentId, since: int, until: int) -> bool | None:
        """Whether it was reachable all the time between two indexes; None if it was
        not registered then."""
        changes = self.reachable.get(agent_id, [])
        before = [is_so for index, is_so in changes if index <= since]
        during = [is_so for index, is_so in changes if since < index <= until]
        if not before and not during:
            return None
        return all([*before[-1:], *during])


def _names_of(command: c.Command) -> Iterator[tuple[str, object]]:
    match command:
        case c.AcceptOffers():
            for task_id in launched_by(command):
                yield "launch", task_id
        case c.KillTask():
            yield "kill", command.task_id
        case c.AcknowledgeUpdate():
            yield "acknowledge", command.uuid
        case _:
            return


def launched_by(command: c.AcceptOffers) -> Iterator[TaskId]:
    """Tasks that this ACCEPT is to launch."""
    for operation in command.operations:
        if isinstance(operation, Launch | LaunchGroup):
            for task in operation.tasks:
                yield task.task_id
