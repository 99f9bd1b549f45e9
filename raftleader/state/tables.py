"""The only functions that change the tables of a ``ClusterState``.

They keep what belongs together together: a task's or an offer's row, the account
of its agent (``used``, ``offered``), the share of its framework (``allocated``),
and the indexes. No other module assigns to a table.

They assume that the caller has decided (resources fit, rows exist): a violation
is a bug, and asserts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from raftleader.limits import (
    COMPLETED_FRAMEWORKS_MAX,
    COMPLETED_TASKS_MAX,
    RESCINDS_MAX,
)
from raftleader.protocol.ids import FrameworkId, OfferId, TaskId, TaskKey
from raftleader.state.bounds import ANSWERED_LAUNCHES_MAX
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    CompletedTask,
    Framework,
    OutstandingOffer,
    Rescinded,
    Task,
)
from raftleader.state.context import Context
from raftleader.state.indexes import allocate, count

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

    Its offers must be gone; tasks of it may remain.
    """
    assert framework_id not in state.offers_by_framework
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


def add_offer(state: ClusterState, ctx: Context, offer: OutstandingOffer) -> None:
    """Take the offer's resources from its agent's free ones."""
    agent = state.agents[offer.agent_id]
    _put_agent(state, ctx, replace(agent, offered=agent.offered + offer.resources))
    allocate(state, offer.role, offer.framework_id, offer.resources, +1)
    state.offers[offer.id] = offer
    state.offers_by_framework.setdefault(offer.framework_id, {})[offer.id] = None
    state.offers_by_agent.setdefault(offer.agent_id, {})[offer.id] = None
    ctx.offers[offer.id] = None


def drop_offer(state: ClusterState, ctx: Context, offer: OutstandingOffer) -> None:
    """Give the offer's resources back to its agent."""
    agent = state.agents[offer.agent_id]
    _put_agent(state, ctx, replace(agent, offered=agent.offered - offer.resources))
    allocate(state, offer.role, offer.framework_id, offer.resources, -1)
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


def launch_name(task_id: TaskId, offer_ids: tuple[OfferId, ...]) -> bytes:
    """16 bytes that name the launch of a task from these offers."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in (task_id, *offer_ids):
        encoded = part.encode()
        hasher.update(len(encoded).to_bytes(4, "big"))
        hasher.update(encoded)
    return hasher.digest()


def remember_launches(
    state: ClusterState, ctx: Context, framework_id: FrameworkId, names: list[bytes]
) -> None:
    """Remember launches that were decided and have no row."""
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
    agent = state.agents[task.info.agent_id]
    if is_charged:
        used = agent.used + task.info.resources
    else:
        used = agent.used - task.info.resources
    shrunk = agent.shrunk and not agent.info.resources.contains(used)
    _put_agent(state, ctx, replace(agent, used=used, shrunk=shrunk))
    allocate(
        state,
        task.role,
        task.framework_id,
        task.info.resources,
        +1 if is_charged else -1,
    )


def _remove(index: dict[K, dict[V, None]], owner: K, member: V) -> None:
    members = index[owner]
    del members[member]
    if not members:
        del index[owner]
