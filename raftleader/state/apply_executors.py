"""Commands about executors: they end, are lost, are to be shut down.

An executor's row is made by the launch of its first task (``apply_accept.py``) and
holds its resources until its agent says that it has ended. While a task of it is in
STAGING the row stays: the task may be on its way, and will start it anew.
"""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.protocol.agent_rpc import ExecutorReport
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.tasks import Reason, TaskState
from raftleader.state.apply_frameworks import UNKNOWN_FRAMEWORK
from raftleader.state.cluster import ClusterState, ExecutorKey
from raftleader.state.commands import (
    LoseExecutors,
    ReportExecutors,
    ShutdownExecutor,
)
from raftleader.state.context import Context
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.statuses import leader_status
from raftleader.state.tables import (
    change_executor,
    drop_executor,
    remember_report,
    set_task,
)
from raftleader.state.task_updates import live_tasks_of, record_status

_UUID_BYTES = 16


def apply_report_executors(
    state: ClusterState, ctx: Context, command: ReportExecutors
) -> Outcome:
    """Take each end of an executor once, however often it is repeated.

    The agent has reported the ends of the executor's tasks before. Those that it did
    not know of any more have ended all the same; those in STAGING it never had.
    """
    if command.agent_id not in state.agents:
        return _unknown_agent(command.agent_id)
    for report in command.reports:
        if len(report.uuid) == _UUID_BYTES:
            _take_report(state, ctx, command.agent_id, report)
    return Accepted()


def _take_report(
    state: ClusterState, ctx: Context, agent_id: AgentId, report: ExecutorReport
) -> None:
    if report.uuid in state.agents[agent_id].executor_reports:
        return
    remember_report(state, ctx, agent_id, report.uuid)
    key = (report.framework_id, agent_id, report.executor_id)
    if key in state.executors:
        _end(
            state,
            ctx,
            key,
            told=TaskState.FAILED,
            reason=Reason.EXECUTOR_TERMINATED,
            message="Executor terminated",
        )


def apply_lose_executors(
    state: ClusterState, ctx: Context, command: LoseExecutors
) -> Outcome:
    """End executors that their agent no longer knows, but for those with a task in
    STAGING: it may be on its way."""
    if command.agent_id not in state.agents:
        return _unknown_agent(command.agent_id)
    for framework_id, executor_id in command.executors:
        key = (framework_id, command.agent_id, executor_id)
        if key not in state.executors or any(
            task.state is TaskState.STAGING for task in live_tasks_of(state, key)
        ):
            continue
        _end(
            state,
            ctx,
            key,
            told=TaskState.GONE,
            reason=Reason.AGENT_REREGISTERED,
            message="The agent is back and no longer knows the executor",
        )
    return Accepted()


def _end(
    state: ClusterState,
    ctx: Context,
    key: ExecutorKey,
    *,
    told: TaskState,
    reason: Reason,
    message: str,
) -> None:
    """The executor is no more, nor are the tasks that its agent had."""
    framework = state.frameworks.get(key[0])
    is_awaited = False
    for task in live_tasks_of(state, key):
        if task.state is TaskState.STAGING:
            is_awaited = True
            continue
        status = leader_status(
            ctx,
            framework.info if framework else None,
            task_id=task.info.task_id,
            agent_id=key[1],
            state=told,
            reason=reason,
            message=message,
        )
        record_status(state, ctx, task, status)
    if is_awaited:
        executor = state.executors[key]
        change_executor(state, ctx, replace(executor, is_confirmed=False))
    else:
        drop_executor(state, ctx, key)


def apply_shutdown_executor(
    state: ClusterState, ctx: Context, command: ShutdownExecutor
) -> Outcome:
    """Remember that the executor is to end. One that is not known is ignored.

    Its tasks end with it; those that its agent was not seen to have must not start
    it again. The executor of a command task has the task's name.
    """
    if command.framework_id not in state.frameworks:
        return UNKNOWN_FRAMEWORK
    key = (command.framework_id, command.agent_id, command.executor_id)
    executor = state.executors.get(key)
    if executor is None:
        _kill_command_task(state, ctx, key)
        return Accepted()
    change_executor(state, ctx, replace(executor, is_shutdown_wanted=True))
    for task in live_tasks_of(state, key):
        if task.state is TaskState.STAGING:
            set_task(state, ctx, replace(task, kill_wanted=True))
    return Accepted()


def _kill_command_task(state: ClusterState, ctx: Context, key: ExecutorKey) -> None:
    framework_id, agent_id, name = key
    task = state.tasks.get((framework_id, TaskId(name)))
    if (
        task is not None
        and task.info.agent_id == agent_id
        and task.info.executor is None
        and not task.state.is_terminal
    ):
        set_task(state, ctx, replace(task, kill_wanted=True))


def _unknown_agent(agent_id: AgentId) -> Rejected:
    return Rejected(
        refusal=Refusal.UNKNOWN_AGENT, message=f"agent {agent_id} is not known"
    )
