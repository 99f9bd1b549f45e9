"""The indexes and sums of a ``ClusterState``, made from rows, one row at a time.

``tables.py`` keeps them while the cluster runs; whoever reads a snapshot makes them
again. The order within an owner's members is that of the table; the order of the
owners is a result of the log, and a snapshot keeps it where that matters.
"""

from __future__ import annotations

from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.resources import Resources, split_key
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    CompletedTask,
    OutstandingOffer,
    Task,
)


def rebuild_indexes(state: ClusterState) -> None:
    """Make all indexes and sums from the tables, as if rows had come in order."""
    state.agent_ids_by_key = {}
    state.offers_by_framework, state.offers_by_agent = {}, {}
    state.tasks_by_framework, state.tasks_by_agent = {}, {}
    state.completed_by_framework = {}
    state.allocated, state.capacity = {}, {}
    for agent in state.agents.values():
        index_agent(state, agent)
    for offer in state.offers.values():
        index_offer(state, offer)
    for task in state.tasks.values():
        index_task(state, task)
    for completed in state.completed_tasks.values():
        index_completed(state, completed)


def index_agent(state: ClusterState, agent: Agent) -> None:
    """Count a row that is new in the table of agents."""
    state.agent_ids_by_key[agent.key] = agent.id
    if agent.unreachable_ms is None:
        count(state.capacity, agent.info.resources, +1)


def index_offer(state: ClusterState, offer: OutstandingOffer) -> None:
    """Count a row that is new in the table of offers."""
    state.offers_by_framework.setdefault(offer.framework_id, {})[offer.id] = None
    state.offers_by_agent.setdefault(offer.agent_id, {})[offer.id] = None
    allocate(state, offer.role, offer.framework_id, offer.resources, +1)


def index_task(state: ClusterState, task: Task) -> None:
    """Count a row that is new in the table of tasks."""
    key = task.key
    state.tasks_by_framework.setdefault(task.framework_id, {})[key] = None
    state.tasks_by_agent.setdefault(task.info.agent_id, {})[key] = None
    if not task.state.is_terminal:
        allocate(state, task.role, task.framework_id, task.info.resources, +1)


def index_completed(state: ClusterState, task: CompletedTask) -> None:
    """Count a row that is new in the table of completed tasks."""
    key = (task.framework_id, task.task_id)
    state.completed_by_framework.setdefault(task.framework_id, {})[key] = None


def allocate(
    state: ClusterState,
    role: str,
    framework_id: FrameworkId,
    resources: Resources,
    sign: int,
) -> None:
    """Add to, or take from, what a framework holds for a role."""
    by_framework = state.allocated.setdefault(role, {})
    amounts = by_framework.setdefault(framework_id, {})
    count(amounts, resources, sign)
    if not amounts:
        del by_framework[framework_id]
        if not by_framework:
            del state.allocated[role]


def count(amounts: dict[str, int], resources: Resources, sign: int) -> None:
    """Add scalars by name, whatever role they are reserved for."""
    for key, millis in resources.scalars.items():
        name = split_key(key)[0]
        amount = amounts.get(name, 0) + sign * millis
        if amount:
            amounts[name] = amount
        else:
            amounts.pop(name, None)
