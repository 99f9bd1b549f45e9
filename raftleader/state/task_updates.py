"""News of a task becomes part of its row."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.protocol.tasks import TaskState, TaskStatus
from raftleader.state.bounds import PENDING_UPDATES_MAX, TASK_UUIDS_MAX
from raftleader.state.cluster import ClusterState, ExecutorKey, Task
from raftleader.state.context import Context
from raftleader.state.happenings import TaskEnded
from raftleader.state.tables import change_executor, drop_task, set_task

_BEGUN = (TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING)


def record_status(
    state: ClusterState, ctx: Context, task: Task, status: TaskStatus
) -> None:
    """Make ``status`` the task's newest, to be delivered after the earlier ones.

    The end of a task releases its resources at once. The row goes when nothing is
    left to deliver; for a framework that is gone nothing ever is.
    """
    executor = task.info.executor
    if executor is not None and status.executor_id is None:
        status = replace(status, executor_id=executor.executor_id)
    ended = status.state.is_terminal
    if ended or status.state is TaskState.UNREACHABLE:
        ctx.happened.append(TaskEnded(task.framework_id, status))
    is_known = task.framework_id in state.frameworks
    pending = (*task.pending, status) if is_known else ()
    if len(pending) > PENDING_UPDATES_MAX:
        pending = (pending[0], *pending[2:])
    uuids = task.uuids
    if status.uuid is not None:
        uuids = (*uuids, status.uuid)[-TASK_UUIDS_MAX:]
    remembered = status if status.data is None else replace(status, data=None)
    task = replace(
        task,
        state=status.state,
        statuses=(
            *(s for s in task.statuses if s.state is not status.state),
            remembered,
        ),
        pending=pending,
        ended_ms=ctx.now_ms if ended else None,
        uuids=uuids,
    )
    if ended and not is_known:
        drop_task(state, ctx, task.key)
    else:
        set_task(state, ctx, task)
    if executor is not None:
        _tell_executor(state, ctx, task)


def _tell_executor(state: ClusterState, ctx: Context, task: Task) -> None:
    """An agent that reports a task as begun knows its executor.

    One it was never seen to know, with no task left that would start it, may be on
    its agent or not: ordering its end is answered in both cases.
    """
    assert task.info.executor is not None
    key = (task.framework_id, task.info.agent_id, task.info.executor.executor_id)
    executor = state.executors.get(key)
    if executor is None or executor.is_confirmed:
        return
    if task.state in _BEGUN:
        change_executor(state, ctx, replace(executor, is_confirmed=True))
    elif task.state.is_terminal and not live_tasks_of(state, key):
        change_executor(state, ctx, replace(executor, is_shutdown_wanted=True))


def live_tasks_of(state: ClusterState, key: ExecutorKey) -> list[Task]:
    """The executor's tasks that have not ended, by task id. Looks at all tasks of
    its agent."""
    framework_id, agent_id, executor_id = key
    tasks = (
        state.tasks[task_key]
        for task_key in sorted(state.tasks_by_agent.get(agent_id, ()))
        if task_key[0] == framework_id
    )
    return [
        task
        for task in tasks
        if not task.state.is_terminal
        and task.info.executor is not None
        and task.info.executor.executor_id == executor_id
    ]
