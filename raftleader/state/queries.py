"""Questions to the state. Nothing here changes it.

The first group derives what the leader must do; being derived, it is the same for
a new leader that has just taken over.
"""

from __future__ import annotations

from itertools import chain

import attrs

from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus
from raftleader.state.cluster import ClusterState, Framework, Task
from raftleader.state.task_lifecycle import visible_state


def next_deadline_ms(state: ClusterState) -> int | None:
    """Cluster time at which PassTime has something to do, or None.

    Looks at every offer and framework: ask once a turn of the timer, not per entry.
    Old filters and rescinds are swept along, they need no turn of their own.
    """
    offers = (offer.expires_ms for offer in state.offers.values())
    frameworks = (
        framework.deadline_ms
        for framework in state.frameworks.values()
        if framework.deadline_ms is not None
    )
    return min(chain(offers, frameworks), default=None)


def first_pending_updates(
    state: ClusterState, framework_id: FrameworkId
) -> tuple[TaskStatus, ...]:
    """What its framework should acknowledge next: one update per task row, by task
    id, then all that belong to no row, oldest first."""
    framework = state.frameworks.get(framework_id)
    if framework is None:
        return ()
    rows = (state.tasks[k] for k in sorted(_keys_of_framework(state, framework_id)))
    firsts = tuple(task.pending[0] for task in rows if task.pending)
    return firsts + framework.orphan_updates


def unconfirmed_tasks(state: ClusterState, agent_id: AgentId) -> tuple[Task, ...]:
    """Tasks the agent must be told to run (again). Not those that are to be killed:
    for them the kill alone is sent."""
    return tuple(
        task
        for task in _tasks_of_agent(state, agent_id)
        if task.state is TaskState.STAGING and not task.kill_wanted
    )


def wanted_kills(state: ClusterState, agent_id: AgentId) -> tuple[Task, ...]:
    """Tasks the agent must be told to end (again)."""
    return tuple(
        task
        for task in _tasks_of_agent(state, agent_id)
        if task.kill_wanted and not task.state.is_terminal
    )


def confirmed_live_tasks(state: ClusterState, agent_id: AgentId) -> tuple[Task, ...]:
    """Tasks the agent must hold, if it has lost nothing: the other side of its
    digest. Unreachable ones are among them."""
    return tuple(
        task
        for task in _tasks_of_agent(state, agent_id)
        if task.state is not TaskState.STAGING and not task.state.is_terminal
    )


def unreachable_tasks(state: ClusterState, agent_id: AgentId) -> tuple[Task, ...]:
    """Tasks whose true state only a task list of the agent can tell: while there
    are any, an equal digest is not enough."""
    return tuple(
        task
        for task in _tasks_of_agent(state, agent_id)
        if task.state is TaskState.UNREACHABLE
    )


def live_tasks(state: ClusterState, framework_id: FrameworkId) -> tuple[Task, ...]:
    """The framework's tasks that have not ended, by task id."""
    rows = (state.tasks[k] for k in sorted(_keys_of_framework(state, framework_id)))
    return tuple(task for task in rows if not task.state.is_terminal)


def implicit_reconciliation(
    state: ClusterState, framework: Framework
) -> tuple[TaskStatus, ...]:
    """The answer to a reconciliation that names no task: every task that has not
    ended, or whose end was not acknowledged."""
    return tuple(
        _known_status(state.tasks[key])
        for key in sorted(_keys_of_framework(state, framework.id))
    )


def reconciliation_status(
    state: ClusterState,
    framework: Framework,
    task_id: TaskId,
    agent_id: AgentId | None,
) -> TaskStatus:
    """What is known of one task, answered at once and without uuid.

    A known task is answered with the state that is on its way, so that no later
    update can fall behind this answer. Of an unknown one we say what its agent lets
    us conclude; frameworks that are not PARTITION_AWARE hear LOST.
    """
    key = (framework.id, task_id)
    task = state.tasks.get(key)
    if task is not None:
        return _known_status(task)
    completed = state.completed_tasks.get(key)
    if completed is not None:
        return _answer(
            task_id, completed.state, completed.agent_id, "Latest task state"
        )
    for status in framework.orphan_updates:
        if status.task_id == task_id:
            return _answer(task_id, status.state, status.agent_id, "Latest task state")

    agent = None if agent_id is None else state.agents.get(agent_id)
    if agent is None:
        told, message = TaskState.UNKNOWN, "Task is unknown"
    elif agent.unreachable_ms is None:
        told, message = TaskState.GONE, "Task is unknown to the agent"
    else:
        told, message = TaskState.UNREACHABLE, "The agent is unreachable"
    return _answer(
        task_id,
        visible_state(told, framework.info) or told,
        agent_id,
        message,
        unreachable_ms=None if agent is None else agent.unreachable_ms,
    )


def _known_status(task: Task) -> TaskStatus:
    newest = task.pending[0] if task.pending else None
    if newest is None and task.statuses:
        newest = task.statuses[-1]
    return _answer(
        task.info.task_id,
        task.state if newest is None else newest.state,
        task.info.agent_id,
        "Latest task state",
        timestamp_ms=task.launched_ms if newest is None else newest.timestamp_ms,
        unreachable_ms=None if newest is None else newest.unreachable_ms,
    )


def _answer(
    task_id: TaskId,
    state: TaskState,
    agent_id: AgentId | None,
    message: str,
    *,
    timestamp_ms: int = 0,
    unreachable_ms: int | None = None,
) -> TaskStatus:
    return TaskStatus(
        task_id=task_id,
        state=state,
        source=Source.LEADER,
        agent_id=agent_id,
        reason=Reason.RECONCILIATION,
        message=f"Reconciliation: {message}",
        timestamp_ms=timestamp_ms,
        unreachable_ms=unreachable_ms,
    )


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


def _keys_of_framework(
    state: ClusterState, framework_id: FrameworkId
) -> dict[tuple[FrameworkId, TaskId], None]:
    return state.tasks_by_framework.get(framework_id, {})


def _tasks_of_agent(state: ClusterState, agent_id: AgentId) -> list[Task]:
    keys = state.tasks_by_agent.get(agent_id, {})
    return [state.tasks[key] for key in sorted(keys)]
