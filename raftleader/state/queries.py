"""Questions to the state. Nothing here changes it.

The first group derives what the leader must do; being derived, it is the same for
a new leader that has just taken over.
"""

from __future__ import annotations

from itertools import chain

from msgspec.structs import replace

from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.offers import OperationState, OperationStatus
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus
from raftleader.state.cluster import (
    ClusterState,
    Executor,
    Framework,
    OperationRow,
    Task,
)
from raftleader.state.resource_checks import volumes
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
    absent = (
        framework.offers_until_ms
        for framework in state.frameworks.values()
        if framework.offers_until_ms is not None
    )
    return min(chain(offers, frameworks, absent), default=None)


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


def shutdown_wanted(state: ClusterState, agent_id: AgentId) -> tuple[Executor, ...]:
    """Executors the agent must be told to end (again)."""
    return tuple(e for e in executors_of(state, agent_id) if e.is_shutdown_wanted)


def executors_of(state: ClusterState, agent_id: AgentId) -> tuple[Executor, ...]:
    """All executors with a row, by framework and id."""
    keys = sorted(state.executors_by_agent.get(agent_id, ()))
    return tuple(state.executors[key] for key in keys)


def confirmed_executors(state: ClusterState, agent_id: AgentId) -> tuple[Executor, ...]:
    """Executors the agent must hold, if it has lost nothing: the other side of its
    digest. Of others it may not have heard."""
    return tuple(e for e in executors_of(state, agent_id) if e.is_confirmed)


def executor_ids(
    state: ClusterState, framework_id: FrameworkId, agent_id: AgentId
) -> tuple[str, ...]:
    """The framework's executors on an agent, as an offer names them."""
    return tuple(
        key[2]
        for key in sorted(state.executors_by_agent.get(agent_id, ()))
        if key[0] == framework_id
    )


def volumes_of(state: ClusterState, agent_id: AgentId) -> tuple[VolumeName, ...]:
    """The persistent volumes the agent must keep."""
    agent = state.agents.get(agent_id)
    found = [] if agent is None else volumes(agent.dynamic)
    names = {(k.role, k.volume.id) for _, k in found if k.volume is not None}
    return tuple(VolumeName(role=role, id=name) for role, name in sorted(names))


def unacknowledged_operations(
    state: ClusterState, framework_id: FrameworkId
) -> tuple[OperationRow, ...]:
    """Operations whose status its framework should acknowledge, oldest first."""
    keys = state.operations_by_framework.get(framework_id, ())
    return tuple(state.operations[key] for key in keys)


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
    us conclude; frameworks that are not PARTITION_AWARE hear LOST. That is true now:
    its time is 0, for the caller to set.
    """
    key = (framework.id, task_id)
    task = state.tasks.get(key)
    if task is not None:
        return _known_status(task)
    completed = state.completed_tasks.get(key)
    if completed is not None:
        return _answer(
            task_id,
            completed.state,
            completed.agent_id,
            "Latest task state",
            timestamp_ms=completed.ended_ms,
        )
    for status in framework.orphan_updates:
        if status.task_id == task_id:
            return _answer(
                task_id,
                status.state,
                status.agent_id,
                "Latest task state",
                timestamp_ms=status.timestamp_ms,
            )

    agent = None if agent_id is None else state.agents.get(agent_id)
    if agent_id in state.gone_agents:
        told, message = TaskState.GONE_BY_OPERATOR, "Task is gone"
    elif agent is None:
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
    executor = task.info.executor
    answer = _answer(
        task.info.task_id,
        task.state if newest is None else newest.state,
        task.info.agent_id,
        "Latest task state",
        timestamp_ms=task.launched_ms if newest is None else newest.timestamp_ms,
        unreachable_ms=None if newest is None else newest.unreachable_ms,
    )
    if newest is None:
        executor_id = None if executor is None else executor.executor_id
        return replace(answer, executor_id=executor_id)
    return replace(
        answer,
        executor_id=newest.executor_id,
        container_id=newest.container_id,
        executor_pid=newest.executor_pid,
        healthy=newest.healthy,
        carried=newest.carried,
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


def implicit_operation_reconciliation(
    state: ClusterState, framework_id: FrameworkId
) -> tuple[OperationStatus, ...]:
    """The answer to a reconciliation that names no operation: all that are not
    acknowledged."""
    rows = unacknowledged_operations(state, framework_id)
    return tuple(replace(row.status, uuid=None) for row in rows)


def operation_reconciliation(
    state: ClusterState,
    framework_id: FrameworkId,
    operation_id: str,
    agent_id: AgentId | None,
) -> OperationStatus:
    """What is known of one operation, answered at once and without uuid.

    Of an unknown one, or one whose end was acknowledged, we say what its agent lets
    us conclude.
    """
    row = state.operations.get((framework_id, operation_id))
    if row is not None:
        return replace(row.status, uuid=None)
    agent = None if agent_id is None else state.agents.get(agent_id)
    if agent is not None and agent.unreachable_ms is not None:
        told, message = OperationState.UNREACHABLE, "Agent is unreachable"
    elif agent_id is not None and agent_id in state.gone_agents:
        told, message = OperationState.GONE_BY_OPERATOR, "Agent marked gone by operator"
    elif agent is not None:
        told, message = OperationState.UNKNOWN, "Operation is unknown"
    elif agent_id is not None:
        told, message = OperationState.UNKNOWN, "Both operation and agent are unknown"
    else:
        told = OperationState.UNKNOWN
        message = "Operation is unknown and no 'agent_id' was provided"
    return OperationStatus(
        operation_id=operation_id,
        state=told,
        message=f"Reconciliation: {message}",
        agent_id=agent_id,
    )


def _keys_of_framework(
    state: ClusterState, framework_id: FrameworkId
) -> dict[tuple[FrameworkId, TaskId], None]:
    return state.tasks_by_framework.get(framework_id, {})


def _tasks_of_agent(state: ClusterState, agent_id: AgentId) -> list[Task]:
    keys = state.tasks_by_agent.get(agent_id, {})
    return [state.tasks[key] for key in sorted(keys)]
