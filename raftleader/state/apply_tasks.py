"""Commands about tasks: what agents report, what frameworks acknowledge and kill."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.limits import KILL_GRACE_S_MAX, RESULT_BYTES_MAX
from raftleader.protocol.ids import AgentId
from raftleader.protocol.tasks import Reason, TaskState, TaskStatus
from raftleader.state.apply_agent_admin import draining_status
from raftleader.state.apply_frameworks import UNKNOWN_FRAMEWORK
from raftleader.state.cluster import ClusterState, Task
from raftleader.state.commands import (
    AcknowledgeUpdate,
    KillTask,
    LoseTasks,
    UpdateTasks,
)
from raftleader.state.context import Context
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.statuses import leader_status
from raftleader.state.tables import (
    complete_task,
    set_framework,
    set_task,
)
from raftleader.state.task_lifecycle import FROM_AGENT, may_follow, visible_state
from raftleader.state.task_updates import record_status

_KILL_GRACE_MS_MAX = round(KILL_GRACE_S_MAX * 1000)
_UUID_BYTES = 16


def apply_update_tasks(
    state: ClusterState, ctx: Context, command: UpdateTasks
) -> Outcome:
    """Take what an agent reports, each update once, however often it is repeated.

    What cannot be taken (a task nobody knows, a state that may not follow) is
    ignored: the agent is told that it is committed and stops repeating it. An update
    without uuid is the leader's reading of a task list: it gets a uuid if it is news.
    """
    if command.agent_id not in state.agents:
        return _unknown_agent(command.agent_id)
    for update in command.updates:
        task = state.tasks.get((update.framework_id, update.status.task_id))
        if task is not None and task.info.agent_id == command.agent_id:
            _take_update(state, ctx, task, update.status)
    return Accepted()


def _take_update(
    state: ClusterState, ctx: Context, task: Task, status: TaskStatus
) -> None:
    uuid = status.uuid
    if uuid is not None and (len(uuid) != _UUID_BYTES or uuid in task.uuids):
        return
    framework = state.frameworks.get(task.framework_id)
    told = visible_state(status.state, framework.info if framework else None)
    if status.state not in FROM_AGENT or told is None:
        return
    if not may_follow(task.state, told) or (uuid is None and told is task.state):
        return
    if uuid is None:
        uuid = ctx.make_uuid()
    data = status.data
    if data is not None and len(data) > RESULT_BYTES_MAX:
        data = None
    agent_id = task.info.agent_id
    status = replace(status, state=told, uuid=uuid, agent_id=agent_id, data=data)
    info = framework.info if framework else None
    record_status(state, ctx, task, draining_status(state, info, status))


def apply_acknowledge_update(
    state: ClusterState, ctx: Context, command: AcknowledgeUpdate
) -> Outcome:
    """Stop delivering an update. Only one that is on its way can be meant."""
    framework = state.frameworks.get(command.framework_id)
    if framework is None:
        return UNKNOWN_FRAMEWORK
    task = state.tasks.get((command.framework_id, command.task_id))
    if task is not None and task.pending and task.pending[0].uuid == command.uuid:
        task = replace(task, pending=task.pending[1:])
        if task.state.is_terminal and not task.pending:
            complete_task(state, ctx, task)
        else:
            set_task(state, ctx, task)
        return Accepted()
    kept = tuple(
        status
        for status in framework.orphan_updates
        if status.uuid != command.uuid or status.task_id != command.task_id
    )
    if len(kept) != len(framework.orphan_updates):
        set_framework(state, ctx, replace(framework, orphan_updates=kept))
        ctx.tasks[(framework.id, command.task_id)] = None
    return Accepted()


def apply_kill_task(state: ClusterState, ctx: Context, command: KillTask) -> Outcome:
    """Remember that the task is to end. A later kill may name another grace."""
    if command.framework_id not in state.frameworks:
        return UNKNOWN_FRAMEWORK
    task = state.tasks.get((command.framework_id, command.task_id))
    if task is None:
        return Rejected(
            refusal=Refusal.UNKNOWN_TASK,
            message=f"task {command.task_id} is not known, or has ended",
        )
    if command.agent_id is not None and command.agent_id != task.info.agent_id:
        return Rejected(
            refusal=Refusal.WRONG_AGENT,
            message=f"task {command.task_id} is on {task.info.agent_id}",
        )
    if not task.state.is_terminal:
        grace_ms = command.grace_ms
        if grace_ms is not None:
            grace_ms = min(max(grace_ms, 0), _KILL_GRACE_MS_MAX)
        set_task(state, ctx, replace(task, kill_wanted=True, kill_grace_ms=grace_ms))
    return Accepted()


def apply_lose_tasks(state: ClusterState, ctx: Context, command: LoseTasks) -> Outcome:
    """End tasks the agent confirmed once and no longer knows.

    A task in STAGING is not among them: its launch may still be on its way.
    """
    if command.agent_id not in state.agents:
        return _unknown_agent(command.agent_id)
    for key in command.tasks:
        task = state.tasks.get(key)
        if (
            task is None
            or task.info.agent_id != command.agent_id
            or task.state is TaskState.STAGING
            or task.state.is_terminal
        ):
            continue
        framework = state.frameworks.get(task.framework_id)
        status = leader_status(
            ctx,
            framework.info if framework else None,
            task_id=task.info.task_id,
            agent_id=command.agent_id,
            state=TaskState.GONE,
            reason=Reason.AGENT_REREGISTERED,
            message="The agent is back and no longer knows the task",
        )
        record_status(state, ctx, task, status)
    return Accepted()


def _unknown_agent(agent_id: AgentId) -> Rejected:
    return Rejected(
        refusal=Refusal.UNKNOWN_AGENT, message=f"agent {agent_id} is not known"
    )
