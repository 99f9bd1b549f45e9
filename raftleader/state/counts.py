"""The cluster in numbers."""

from __future__ import annotations

import attrs

from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import ClusterState


@attrs.frozen(kw_only=True)
class Counts:
    """The cluster in numbers, for status pages and metrics.

    Attributes:
        tasks: Rows by state; states without a task are left out.
        total, used, offered: Over reachable agents; scalars only, in thousandths,
            by name.
    """

    frameworks_connected: int
    frameworks_disconnected: int
    frameworks_removed: int
    agents_reachable: int
    agents_unreachable: int
    offers: int
    tasks: dict[TaskState, int]
    tasks_completed: int
    updates_pending: int
    total: dict[str, int]
    used: dict[str, int]
    offered: dict[str, int]


def counts(state: ClusterState) -> Counts:
    """Count everything. Looks at every row."""
    connected = sum(f.connected for f in state.frameworks.values())
    reachable = [a for a in state.agents.values() if a.unreachable_ms is None]
    tasks: dict[TaskState, int] = {}
    for task in state.tasks.values():
        tasks[task.state] = tasks.get(task.state, 0) + 1
    names = sorted(state.capacity)

    def sums(parts: list[Resources]) -> dict[str, int]:
        return {name: sum(part.total(name) for part in parts) for name in names}

    return Counts(
        frameworks_connected=connected,
        frameworks_disconnected=len(state.frameworks) - connected,
        frameworks_removed=len(state.removed_frameworks),
        agents_reachable=len(reachable),
        agents_unreachable=len(state.agents) - len(reachable),
        offers=len(state.offers),
        tasks=dict(sorted(tasks.items(), key=lambda item: item[0].value)),
        tasks_completed=len(state.completed_tasks),
        updates_pending=sum(len(task.pending) for task in state.tasks.values())
        + sum(len(f.orphan_updates) for f in state.frameworks.values()),
        total=dict(sorted(state.capacity.items())),
        used=sums([agent.used for agent in reachable]),
        offered=sums([agent.offered for agent in reachable]),
    )
