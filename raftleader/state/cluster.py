"""What the cluster knows: tables of frozen rows, and indexes over them.

Theory of operation. Every leader node holds one ``ClusterState`` and feeds it the
log in order; only ``apply`` changes it. A row is replaced, never edited. Tables
are plain dicts; iteration that can reach output goes over ``sorted`` keys, or over
dicts whose order is itself a result of the log.

Two accounts must always balance on each agent: offered + used <= total, and the
sums kept in the row equal the sums over the tables (``invariants.py``).

What the leader must do (send an offer, start a task, deliver an update) is not
stored as a queue of effects: it is *derived* from rows, by ``queries.py``:

* an offer in the table belongs in its framework's hands;
* a task in STAGING is not confirmed by its agent: send it (again);
* a task with a kill intent that has not ended: send the kill (again);
* the first pending update of a task is not acknowledged: deliver it (again);
* an executor that is to be shut down and has a row: send the order (again);
* an operation in the table is not acknowledged: deliver its status (again);
* an inverse offer in the table belongs in its framework's hands.

Rows, and the values of the vocabulary in them, are unknown to the garbage collector
(``gc=False``): they are trees, so reference counts free them, and the collector would
stop the node to walk through hundreds of thousands that were just made.
"""

from __future__ import annotations

import attrs
import msgspec

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.constraints import OfferConstraints
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import (
    AgentId,
    FrameworkId,
    NodeId,
    OfferId,
    TaskId,
    TaskKey,
)
from raftleader.protocol.offers import (
    Conversion,
    OperationStatus,
    Unavailability,
    UnsupportedOperation,
)
from raftleader.protocol.operator_values import Drain, MachineId, Quota, Window
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import ExecutorInfo, TaskInfo, TaskState, TaskStatus

ExecutorKey = tuple[FrameworkId, AgentId, str]
"""Executor ids are chosen by frameworks, for each agent anew."""

OperationKey = tuple[FrameworkId, str]
"""Operation ids are chosen by frameworks."""


class DurableFilter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A long decline: nothing within ``resources`` of that agent until then."""

    agent_id: AgentId
    role: str
    resources: Resources
    until_ms: int


class Rescinded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An offer, or inverse offer, that was taken back without the framework's doing."""

    offer_id: OfferId
    at_ms: int
    is_inverse: bool = False


class Framework(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A registered framework.

    Attributes:
        subscription: Log index and ordinal of its newest subscription, as one
            growing number; a disconnect naming an older one is void.
        deadline_ms: Cluster time at which it is removed, or None while connected.
        offers_until_ms: Cluster time at which its offers are rescinded if it has not
            come back; None while connected, and once that is done.
        orphan_updates: Updates that belong to no task row (a duplicate task id).
        rescinds: Recently rescinded offers, oldest first.
        answered_launches: Names (``launch_name``) of launches and operations that
            were decided and have no row that would show it: how a repeated ACCEPT is
            known. Oldest first, bounded.
        offer_constraints: Agents its roles want to hear of.
    """

    id: FrameworkId
    info: FrameworkInfo
    registered_ms: int
    subscribed_ms: int
    subscription: int
    connected: bool = True
    deadline_ms: int | None = None
    offers_until_ms: int | None = None
    suppressed_roles: tuple[str, ...] = ()
    filters: tuple[DurableFilter, ...] = ()
    rescinds: tuple[Rescinded, ...] = ()
    orphan_updates: tuple[TaskStatus, ...] = ()
    answered_launches: tuple[bytes, ...] = ()
    offer_constraints: OfferConstraints = {}


class Agent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A registered agent, with its two accounts.

    Attributes:
        used: What its tasks and executors hold, from their launch to their end;
            without what is shared.
        offered: What its outstanding offers hold; without what is shared.
        shrunk: It came back with less than its tasks hold, and they still run, or
            with less than was made of it.
        dynamic: What was made of its resources since: dynamic reservations and
            persistent volumes.
        executor_reports: Ends of executors taken from it, oldest first, bounded: a
            repeated one must not end a later executor of the same name.
        is_deactivated: Nothing is offered of it, by order of an operator.
        drain: Its tasks are being ended, or have been, by order of an operator.
    """

    id: AgentId
    key: str
    info: AgentInfo
    registered_ms: int
    reregistered_ms: int
    unreachable_ms: int | None = None
    used: Resources = EMPTY
    offered: Resources = EMPTY
    shrunk: bool = False
    dynamic: Resources = EMPTY
    is_deactivated: bool = False
    drain: Drain | None = None
    executor_reports: tuple[bytes, ...] = ()

    @property
    def total(self) -> Resources:
        """Everything on the machine, reserved and divided as it is now."""
        if not self.dynamic:
            return self.info.resources
        base = self.dynamic.base()
        rest = self.info.resources.without(base)
        # A machine that came back too small: what was made of it comes first.
        return self.dynamic if rest is None else rest + self.dynamic

    @property
    def free(self) -> Resources:
        """What may be offered. Nothing while unreachable, deactivated, draining or
        over-committed. What is shared is never used up."""
        if (
            self.unreachable_ms is not None
            or self.is_deactivated
            or self.drain
            or self.shrunk
        ):
            return EMPTY
        rest = self.total.without(self.used + self.offered)
        return EMPTY if rest is None else rest

    @property
    def unused(self) -> Resources:
        """What no task or executor holds, whether it is offered or not."""
        rest = self.total.without(self.used)
        return EMPTY if rest is None else rest

    @property
    def is_too_small(self) -> bool:
        """Whether the machine has less than was made of it, or than its tasks hold."""
        base = self.dynamic.base() if self.dynamic else EMPTY
        return not (
            self.info.resources.contains(base) and self.total.contains(self.used)
        )


class OutstandingOffer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An offer that waits for its framework's answer."""

    id: OfferId
    framework_id: FrameworkId
    agent_id: AgentId
    role: str
    resources: Resources
    granted_ms: int
    expires_ms: int


class Task(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task that was accepted.

    Attributes:
        state: Newest state the log knows. STAGING means that the agent has not
            confirmed it.
        offer_ids: The offers it was launched from: how a repeated ACCEPT is known.
        role: Whose resources it uses.
        statuses: Newest status of each state it went through, oldest first.
        pending: Updates its framework has not acknowledged, oldest first; only
            the first is on its way.
        kill_grace_ms: Grace of the kill intent, if ``kill_wanted``.
        ended_ms: Cluster time at which its end was committed.
        uuids: Updates taken from its agent, oldest first, bounded: a repeated one
            is known although it was acknowledged long ago.
        group: Ids of all tasks of its group, itself among them; empty if it is of
            none.
    """

    framework_id: FrameworkId
    info: TaskInfo
    role: str
    state: TaskState
    offer_ids: tuple[OfferId, ...]
    launched_ms: int
    statuses: tuple[TaskStatus, ...] = ()
    pending: tuple[TaskStatus, ...] = ()
    kill_wanted: bool = False
    kill_grace_ms: int | None = None
    ended_ms: int | None = None
    uuids: tuple[bytes, ...] = ()
    group: tuple[TaskId, ...] = ()

    @property
    def key(self) -> TaskKey:
        return (self.framework_id, self.info.task_id)


class Executor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An executor that runs, or is to be started with its first task.

    Its row is made by that launch and goes when its agent reports its end, or knows
    nothing of it while no task of it is in STAGING.

    Attributes:
        role: Whose resources it uses.
        is_shutdown_wanted: It is to be ended, its tasks with it.
        is_confirmed: A task of it was seen beyond STAGING, so its agent knew it.
    """

    framework_id: FrameworkId
    agent_id: AgentId
    info: ExecutorInfo
    role: str
    launched_ms: int
    is_shutdown_wanted: bool = False
    is_confirmed: bool = False

    @property
    def key(self) -> ExecutorKey:
        return (self.framework_id, self.agent_id, self.info.executor_id)


class OperationRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An operation whose framework named it, and has not acknowledged its end.

    Attributes:
        agent_id: None if its offers were no longer valid.
        status: Its end; has a uuid and the operation's id.
        offer_ids: How a repeated ACCEPT is known.
    """

    framework_id: FrameworkId
    agent_id: AgentId | None
    operation: Conversion | UnsupportedOperation
    status: OperationStatus
    offer_ids: tuple[OfferId, ...]
    made_ms: int


class InverseAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a framework last said to an inverse offer for an agent.

    Attributes:
        until_ms: It is not asked again before; 0 once that is over.
    """

    framework_id: FrameworkId
    is_accepted: bool
    at_ms: int
    until_ms: int = 0


class InverseOfferRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An inverse offer that waits for its framework's answer."""

    id: OfferId
    framework_id: FrameworkId
    agent_id: AgentId
    unavailability: Unavailability
    made_ms: int


class CompletedTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task that ended and whose end was acknowledged; kept in a bounded ring."""

    framework_id: FrameworkId
    task_id: TaskId
    name: str
    agent_id: AgentId
    state: TaskState
    offer_ids: tuple[OfferId, ...]
    launched_ms: int
    ended_ms: int


@attrs.define(kw_only=True)
class ClusterState:
    """The whole. Equal on every replica at the same index, byte for byte.

    Attributes:
        index: Log index of the last applied entry.
        term, leader, leader_http: From the newest BeginTerm.
        clock_ms: Cluster time of the last applied entry.
        removed_frameworks: Tombstones: id to the time of removal, oldest first.
        agent_ids_by_key ... capacity: Indexes and sums, rebuilt from the tables when
            a snapshot is loaded; not part of the snapshot.
        quotas: By role.
        windows: The maintenance schedule.
        down_machines: Machines of the schedule that are down: no agent of theirs may
            register.
        gone_agents: Tombstones: id to the time it was declared gone, oldest first.
        inverse_answers: The last answer of each framework, by agent.
        allocated: Thousandths of each scalar that a framework holds (used and
            offered) for a role: role, framework, name.
        capacity: Thousandths of each scalar on all reachable agents.
    """

    cluster_id: str
    index: int = 0
    term: int = 0
    leader: NodeId | None = None
    leader_http: str = ""
    clock_ms: int = 0
    weights: dict[str, int] = attrs.field(factory=dict)
    frameworks: dict[FrameworkId, Framework] = attrs.field(factory=dict)
    agents: dict[AgentId, Agent] = attrs.field(factory=dict)
    offers: dict[OfferId, OutstandingOffer] = attrs.field(factory=dict)
    tasks: dict[TaskKey, Task] = attrs.field(factory=dict)
    completed_tasks: dict[TaskKey, CompletedTask] = attrs.field(factory=dict)
    removed_frameworks: dict[FrameworkId, int] = attrs.field(factory=dict)
    executors: dict[ExecutorKey, Executor] = attrs.field(factory=dict)
    operations: dict[OperationKey, OperationRow] = attrs.field(factory=dict)
    quotas: dict[str, Quota] = attrs.field(factory=dict)
    windows: tuple[Window, ...] = ()
    down_machines: tuple[MachineId, ...] = ()
    gone_agents: dict[AgentId, int] = attrs.field(factory=dict)
    inverse_offers: dict[OfferId, InverseOfferRow] = attrs.field(factory=dict)
    inverse_answers: dict[AgentId, tuple[InverseAnswer, ...]] = attrs.field(
        factory=dict
    )

    agent_ids_by_key: dict[str, AgentId] = attrs.field(factory=dict)
    offers_by_framework: dict[FrameworkId, dict[OfferId, None]] = attrs.field(
        factory=dict
    )
    offers_by_agent: dict[AgentId, dict[OfferId, None]] = attrs.field(factory=dict)
    tasks_by_framework: dict[FrameworkId, dict[TaskKey, None]] = attrs.field(
        factory=dict
    )
    tasks_by_agent: dict[AgentId, dict[TaskKey, None]] = attrs.field(factory=dict)
    completed_by_framework: dict[FrameworkId, dict[TaskKey, None]] = attrs.field(
        factory=dict
    )
    executors_by_agent: dict[AgentId, dict[ExecutorKey, None]] = attrs.field(
        factory=dict
    )
    executors_by_framework: dict[FrameworkId, dict[ExecutorKey, None]] = attrs.field(
        factory=dict
    )
    operations_by_framework: dict[FrameworkId, dict[OperationKey, None]] = attrs.field(
        factory=dict
    )
    inverse_offers_by_framework: dict[FrameworkId, dict[OfferId, None]] = attrs.field(
        factory=dict
    )
    inverse_offers_by_agent: dict[AgentId, dict[OfferId, None]] = attrs.field(
        factory=dict
    )
    allocated: dict[str, dict[FrameworkId, dict[str, int]]] = attrs.field(factory=dict)
    capacity: dict[str, int] = attrs.field(factory=dict)
