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
    Executor,
    InverseOfferRow,
    OperationRow,
    OutstandingOffer,
    Task,
)

OWNED = (
    "offers_by_framework",
    "offers_by_agent",
    "inverse_offers_by_framework",
    "inverse_offers_by_agent",
    "executors_by_framework",
    "executors_by_agent",
    "tasks_by_framework",
    "tasks_by_agent",
    "completed_by_framework",
    "operations_by_framework",
)
"""Indexes of rows by their owner."""

INDEXES = ("agent_ids_by_key", *OWNED, "allocated", "capacity")
"""All attributes of a state that are made from its tables."""


def rebuild_indexes(state: ClusterState) -> None:
    """Make all indexes and sums from the tables, as if rows had come in order."""
    for name in INDEXES:
        setattr(state, name, {})
    for agent in state.agents.values():
        index_agent(state, agent)
    for offer in state.offers.values():
        index_offer(state, offer)
    for inverse in state.inverse_offers.values():
        index_inverse_offer(state, inverse)
    for executor in state.executors.values():
        index_executor(state, executor)
    for task in state.tasks.values():
        index_task(state, task)
    for completed in state.completed_tasks.values():
        index_completed(state, completed)
    for key, operation in state.operations.items():
        index_operation(state, key[1], operation)


def index_agent(state: ClusterState, agent: Agent) -> None:
    """Count a row that is new in the table of agents."""
    state.agent_ids_by_key[agent.key] = agent.id
    if agent.unreachable_ms is None:
        count(state.capacity, agent.info.resources, +1)


def index_offer(state: ClusterState, offer: OutstandingOffer) -> None:
    """Count a row that is new in the table of offers."""
    state.offers_by_framework.setdefault(offer.framework_id, {})[offer.id] = None
    state.offers_by_agent.setdefault(offer.agent_id, {})[offer.id] = None
    exclusive = offer.resources.exclusive()
    allocate(state, offer.role, offer.framework_id, exclusive, +1)


def index_inverse_offer(state: ClusterState, offer: InverseOfferRow) -> None:
    """Count a row that is new in the table of inverse offers."""
    by_framework = state.inverse_offers_by_framework
    by_framework.setdefault(offer.framework_id, {})[offer.id] = None
    state.inverse_offers_by_agent.setdefault(offer.agent_id, {})[offer.id] = None


def index_executor(state: ClusterState, executor: Executor) -> None:
    """Count a row that is new in the table of executors."""
    key = executor.key
    state.executors_by_framework.setdefault(executor.framework_id, {})[key] = None
    state.executors_by_agent.setdefault(executor.agent_id, {})[key] = None
    resources = executor.info.resources
    allocate(state, executor.role, executor.framework_id, resources, +1)


def index_task(state: ClusterState, task: Task) -> None:
    """Count a row that is new in the table of tasks."""
    key = task.key
    state.tasks_by_framework.setdefault(task.framework_id, {})[key] = None
    state.tasks_by_agent.setdefault(task.info.agent_id, {})[key] = None
    if not task.state.is_terminal:
        exclusive = task.info.resources.exclusive()
        allocate(state, task.role, task.framework_id, exclusive, +1)


def index_completed(state: ClusterState, task: CompletedTask) -> None:
    """Count a row that is new in the table of completed tasks."""
    key = (task.framework_id, task.task_id)
    state.completed_by_framework.setdefault(task.framework_id, {})[key] = None


def index_operation(
    state: ClusterState, operation_id: str, operation: OperationRow
) -> None:
    """Count a row that is new in the table of operations."""
    key = (operation.framework_id, operation_id)
    state.operations_by_framework.setdefault(operation.framework_id, {})[key] = None


def allocate(
    state: ClusterState,
    role: str,
    framework_id: FrameworkId,
    resources: Resources,
    sign: int,
) -> None:
    """Add to, or take from, what a framework holds for a role."""
    if not resources.scalars:
        return
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
