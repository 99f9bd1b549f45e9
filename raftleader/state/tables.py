"""The only functions that change the tables of a ``ClusterState``.

They keep what belongs together together: a task's, an executor's or an offer's row,
the account of its agent (``used``, ``offered``), the share of its framework
(``allocated``), and the indexes. No other module assigns to a table of rows.

They assume that the caller has decided (resources fit, rows exist): a violation
is a bug, and asserts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from raftleader.limits import (
    COMPLETED_FRAMEWORKS_MAX,
    COMPLETED_TASKS_MAX,
    RESCINDS_MAX,
)
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskKey
from raftleader.protocol.resources import Resources
from raftleader.state.bounds import (
    ANSWERED_LAUNCHES_MAX,
    EXECUTOR_REPORTS_MAX,
    OPERATIONS_MAX,
)
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    CompletedTask,
    Executor,
    ExecutorKey,
    Framework,
    InverseOfferRow,
    OperationKey,
    OperationRow,
    OutstandingOffer,
    Rescinded,
    Task,
)
from raftleader.state.context import Context
from raftleader.state.happenings import OfferEnd, OffersEnded
from raftleader.state.indexes import (
    allocate,
    count,
    index_executor,
    index_inverse_offer,
    index_offer,
    index_operation,
)
from raftleader.state.launch_names import launch_name

K = TypeVar("K")
V = TypeVar("V")


def set_framework(state: ClusterState, ctx: Context, framework: Framework) -> None:
    """Insert or replace a framework's row."""
    state.frameworks[framework.id] = framework
    ctx.frameworks[framework.id] = None


def drop_framework(
    state: ClusterState, ctx: Context, framework_id: FrameworkId
) -> None:
    """Replace a framework's row by a tombstone, and forget its completed tasks.

    Its offers and operations must be gone; tasks and executors of it may remain.
    """
    assert framework_id not in state.offers_by_framework
    assert framework_id not in state.inverse_offers_by_framework
    assert framework_id not in state.operations_by_framework
    del state.frameworks[framework_id]
    for key in state.completed_by_framework.pop(framework_id, ()):
        del state.completed_tasks[key]
    state.removed_frameworks[framework_id] = ctx.now_ms
    if len(state.removed_frameworks) > COMPLETED_FRAMEWORKS_MAX:
        del state.removed_frameworks[next(iter(state.removed_frameworks))]
    ctx.frameworks[framework_id] = None


def set_agent(state: ClusterState, ctx: Context, agent: Agent) -> None:
    """Insert or replace an agent's row, and its part of the cluster's capacity."""
    old = state.agents.get(agent.id)
    if old is not None and old.unreachable_ms is None:
        count(state.capacity, old.info.resources, -1)
    if agent.unreachable_ms is None:
        count(state.capacity, agent.info.resources, +1)
    _put_agent(state, ctx, agent)
    state.agent_ids_by_key[agent.key] = agent.id


def drop_agent(state: ClusterState, ctx: Context, agent_id: AgentId) -> None:
    """Delete an agent's row. Nobody may hold anything of it; tasks that have ended
    may remain."""
    agent = state.agents.pop(agent_id)
    assert not agent.used and not agent.offered
    assert agent_id not in state.offers_by_agent
    assert agent_id not in state.inverse_offers_by_agent
    assert agent_id not in state.executors_by_agent
    if agent.unreachable_ms is None:
        count(state.capacity, agent.info.resources, -1)
    del state.agent_ids_by_key[agent.key]
    ctx.agents[agent_id] = None


def add_offer(state: ClusterState, ctx: Context, offer: OutstandingOffer) -> None:
    """Take the offer's resources from its agent's free ones; but not what is shared,
    which nobody takes."""
    agent = state.agents[offer.agent_id]
    offered = agent.offered + offer.resources.exclusive()
    _put_agent(state, ctx, replace(agent, offered=offered))
    state.offers[offer.id] = offer
    index_offer(state, offer)
    ctx.offers[offer.id] = None


def drop_offer(state: ClusterState, ctx: Context, offer: OutstandingOffer) -> None:
    """Give the offer's resources back to its agent."""
    agent = state.agents[offer.agent_id]
    exclusive = offer.resources.exclusive()
    _put_agent(state, ctx, replace(agent, offered=agent.offered - exclusive))
    allocate(state, offer.role, offer.framework_id, exclusive, -1)
    del state.offers[offer.id]
    _remove(state.offers_by_framework, offer.framework_id, offer.id)
    _remove(state.offers_by_agent, offer.agent_id, offer.id)
    ctx.offers[offer.id] = None


def rescind_offers(
    state: ClusterState, ctx: Context, offer_ids: Iterable[OfferId]
) -> None:
    """Drop these offers, and remember them so that their frameworks are told."""
    told: dict[FrameworkId, list[Rescinded]] = {}
    for offer_id in sorted(offer_ids):
        offer = state.offers[offer_id]
        drop_offer(state, ctx, offer)
        told.setdefault(offer.framework_id, []).append(
            Rescinded(offer_id=offer_id, at_ms=ctx.now_ms)
        )
    for framework_id, rescinds in told.items():
        ctx.happened.append(
            OffersEnded(framework_id, OfferEnd.RESCINDED, len(rescinds))
        )
        framework = state.frameworks[framework_id]
        kept = (*framework.rescinds, *rescinds)[-RESCINDS_MAX:]
        set_framework(state, ctx, replace(framework, rescinds=kept))


def set_task(state: ClusterState, ctx: Context, task: Task) -> None:
    """Insert or replace a task's row.

    A task holds its resources from its first row until its state is terminal; the
    accounts follow from the two rows, nobody has to remember them.
    """
    key = task.key
    old = state.tasks.get(key)
    if old is None:
        state.tasks_by_framework.setdefault(task.framework_id, {})[key] = None
        state.tasks_by_agent.setdefault(task.info.agent_id, {})[key] = None
    _move_charge(state, ctx, old, task)
    state.tasks[key] = task
    ctx.tasks[key] = None


def drop_task(state: ClusterState, ctx: Context, key: TaskKey) -> None:
    """Delete a task's row; what the row held is free again."""
    task = state.tasks[key]
    _move_charge(state, ctx, task, None)
    del state.tasks[key]
    _remove(state.tasks_by_framework, task.framework_id, key)
    _remove(state.tasks_by_agent, task.info.agent_id, key)
    ctx.tasks[key] = None


def complete_task(state: ClusterState, ctx: Context, task: Task) -> None:
    """Move an ended task of a known framework to the ring of completed ones."""
    assert task.state.is_terminal and not task.pending
    key = task.key
    drop_task(state, ctx, key)
    ring = state.completed_by_framework.setdefault(task.framework_id, {})
    if key in ring:  # a task id used twice: the older use remains known by name
        older = state.completed_tasks.pop(key)
        del ring[key]
        remember_launches(
            state, ctx, task.framework_id, [launch_name(key[1], older.offer_ids)]
        )
    ring[key] = None
    state.completed_tasks[key] = CompletedTask(
        framework_id=task.framework_id,
        task_id=key[1],
        name=task.info.name,
        agent_id=task.info.agent_id,
        state=task.state,
        offer_ids=task.offer_ids,
        launched_ms=task.launched_ms,
        ended_ms=ctx.now_ms if task.ended_ms is None else task.ended_ms,
    )
    if len(ring) > COMPLETED_TASKS_MAX:
        oldest = next(iter(ring))
        del ring[oldest]
        del state.completed_tasks[oldest]


def add_executor(state: ClusterState, ctx: Context, executor: Executor) -> None:
    """Insert an executor's row; it holds its resources as long as the row exists."""
    key = executor.key
    assert key not in state.executors
    _charge(state, ctx, executor.agent_id, executor.info.resources, +1)
    state.executors[key] = executor
    index_executor(state, executor)
    ctx.executors[key] = None


def change_executor(state: ClusterState, ctx: Context, executor: Executor) -> None:
    """Replace an executor's row; what it holds stays as it is."""
    old = state.executors[executor.key]
    assert (old.info, old.role) == (executor.info, executor.role)
    state.executors[executor.key] = executor
    ctx.executors[executor.key] = None


def drop_executor(state: ClusterState, ctx: Context, key: ExecutorKey) -> None:
    """Delete an executor's row; what it held is free again."""
    executor = state.executors.pop(key)
    resources = executor.info.resources
    _charge(state, ctx, executor.agent_id, resources, -1)
    allocate(state, executor.role, executor.framework_id, resources, -1)
    _remove(state.executors_by_framework, executor.framework_id, key)
    _remove(state.executors_by_agent, executor.agent_id, key)
    ctx.executors[key] = None


def add_operation(state: ClusterState, ctx: Context, row: OperationRow) -> None:
    """Insert an operation's row, as the newest of its framework.

    An older one of the same name, and the oldest beyond a bound, are forgotten but
    for their names.
    """
    assert row.status.operation_id is not None
    key = (row.framework_id, row.status.operation_id)
    if key in state.operations:
        forget_operation(state, ctx, key)
    state.operations[key] = row
    index_operation(state, key[1], row)
    ctx.operations[key] = None
    members = state.operations_by_framework[row.framework_id]
    if len(members) > OPERATIONS_MAX:
        forget_operation(state, ctx, next(iter(members)))


def forget_operation(state: ClusterState, ctx: Context, key: OperationKey) -> None:
    """Delete an operation's row. Its framework, if it is known, remembers the name:
    a repeated ACCEPT must not perform it again (promise P3)."""
    row = state.operations.pop(key)
    _remove(state.operations_by_framework, row.framework_id, key)
    ctx.operations[key] = None
    if row.framework_id in state.frameworks:
        name = launch_name(key[1], row.offer_ids, kind="operation")
        remember_launches(state, ctx, row.framework_id, [name])


def add_inverse_offer(state: ClusterState, ctx: Context, row: InverseOfferRow) -> None:
    """Insert an inverse offer. It holds nothing."""
    assert row.id not in state.inverse_offers
    state.inverse_offers[row.id] = row
    index_inverse_offer(state, row)
    ctx.inverse_offers[row.id] = None


def drop_inverse_offer(state: ClusterState, ctx: Context, offer_id: OfferId) -> None:
    """Delete an inverse offer's row."""
    row = state.inverse_offers.pop(offer_id)
    _remove(state.inverse_offers_by_framework, row.framework_id, offer_id)
    _remove(state.inverse_offers_by_agent, row.agent_id, offer_id)
    ctx.inverse_offers[offer_id] = None


def remember_report(
    state: ClusterState, ctx: Context, agent_id: AgentId, uuid: bytes
) -> None:
    """Remember the end of an executor that was taken from the agent."""
    agent = state.agents[agent_id]
    kept = (*agent.executor_reports, uuid)[-EXECUTOR_REPORTS_MAX:]
    _put_agent(state, ctx, replace(agent, executor_reports=kept))


def convert_agent(
    state: ClusterState, ctx: Context, agent_id: AgentId, dynamic: Resources
) -> None:
    """What was made of the agent's resources is ``dynamic`` from now on.

    What is used and offered of it must be part of that.
    """
    agent = replace(state.agents[agent_id], dynamic=dynamic)
    _put_agent(state, ctx, replace(agent, shrunk=agent.is_too_small))


def remember_launches(
    state: ClusterState, ctx: Context, framework_id: FrameworkId, names: list[bytes]
) -> None:
    """Remember what was decided and has no row that would show it."""
    framework = state.frameworks[framework_id]
    kept = (*framework.answered_launches, *names)[-ANSWERED_LAUNCHES_MAX:]
    set_framework(state, ctx, replace(framework, answered_launches=kept))


def _put_agent(state: ClusterState, ctx: Context, agent: Agent) -> None:
    state.agents[agent.id] = agent
    ctx.agents[agent.id] = None


def _move_charge(
    state: ClusterState, ctx: Context, old: Task | None, new: Task | None
) -> None:
    was_charged = old is not None and not old.state.is_terminal
    is_charged = new is not None and not new.state.is_terminal
    if was_charged == is_charged:
        return
    task = new or old
    assert task is not None
    sign = +1 if is_charged else -1
    exclusive = task.info.resources.exclusive()
    _charge(state, ctx, task.info.agent_id, exclusive, sign)
    allocate(state, task.role, task.framework_id, exclusive, sign)


def _charge(
    state: ClusterState, ctx: Context, agent_id: AgentId, part: Resources, sign: int
) -> None:
    ctx.agents[agent_id] = None  # also if all that is used is shared
    if not part:
        return
    agent = state.agents[agent_id]
    agent = replace(agent, used=agent.used + part if sign > 0 else agent.used - part)
    if agent.shrunk:
        agent = replace(agent, shrunk=agent.is_too_small)
    _put_agent(state, ctx, agent)


def _remove(index: dict[K, dict[V, None]], owner: K, member: V) -> None:
    members = index[owner]
    del members[member]
    if not members:
        del index[owner]
