"""Orders to an agent, made from the state at the moment they leave.

What is due waits as names of rows (``agent_session.py``); here the names become
messages, if they are still true.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from raftleader.protocol.agent_rpc import (
    ExecutorOrder,
    KeepVolumes,
    KillOrder,
    RunTasks,
    TaskOrder,
)
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, TaskKey
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import (
    ClusterState,
    Executor,
    ExecutorKey,
    Framework,
    Task,
)
from raftleader.state.queries import volumes_of

ORDERS_PER_FRAME_MAX = 500
"""Tasks in one RunTasks, so that an agent starts on them before it has read all. The
tasks of a group come together, whatever their number."""
ORDER_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of task data in one RunTasks; one task, or group, alone may be larger."""


def run_is_due(task: Task | None) -> bool:
    """Whether the agent is to be told to run it: nothing was heard of it yet."""
    return task is not None and task.state is TaskState.STAGING and not task.kill_wanted


def kill_is_due(task: Task | None) -> bool:
    """Whether the agent is to be told to end it."""
    return task is not None and task.kill_wanted and not task.state.is_terminal


def shutdown_is_due(executor: Executor | None) -> bool:
    """Whether the agent is to be told to end it, and its tasks with it."""
    return executor is not None and executor.is_shutdown_wanted


def run_messages(
    state: ClusterState, keys: Iterable[TaskKey], *, term: int
) -> list[RunTasks]:
    """The launches of these tasks that are still due, in their order."""
    messages: list[RunTasks] = []
    orders: list[TaskOrder] = []
    size = 0
    for key in keys:
        task = state.tasks.get(key)
        framework = state.frameworks.get(key[0])
        if task is None or framework is None or not run_is_due(task):
            continue
        added = _data_bytes(task)
        if (
            orders
            and (len(orders) >= ORDERS_PER_FRAME_MAX or size + added > ORDER_BYTES_MAX)
            and not (task.group and orders[-1].group == task.group)
        ):
            messages.append(RunTasks(term=term, orders=tuple(orders)))
            orders, size = [], 0
        size += added
        orders.append(_task_order(task, framework))
    if orders:
        messages.append(RunTasks(term=term, orders=tuple(orders)))
    return messages


def kill_orders(state: ClusterState, keys: Iterable[TaskKey]) -> list[KillOrder]:
    """The kills of these tasks that are still due."""
    return [
        KillOrder(framework_id=key[0], task_id=key[1], grace_ms=task.kill_grace_ms)
        for key in keys
        if (task := state.tasks.get(key)) is not None and kill_is_due(task)
    ]


def shutdown_orders(
    state: ClusterState, keys: Iterable[ExecutorKey]
) -> list[ExecutorOrder]:
    """The ends of these executors that are still due."""
    return [
        ExecutorOrder(framework_id=key[0], executor_id=key[2])
        for key in keys
        if shutdown_is_due(state.executors.get(key))
    ]


def volumes_message(
    state: ClusterState, agent_id: AgentId, *, term: int
) -> KeepVolumes:
    """All persistent volumes of the agent."""
    return KeepVolumes(term=term, volumes=volumes_of(state, agent_id))


def _task_order(task: Task, framework: Framework) -> TaskOrder:
    is_for_executor = task.info.executor is not None
    return TaskOrder(
        framework_id=task.framework_id,
        framework_name=framework.info.name,
        task=task.info,
        framework=_named(framework) if is_for_executor else None,
        role=task.role,
        group=task.group,
    )


def _named(framework: Framework) -> FrameworkInfo:
    """Its description with its id, which it may have had to leave out."""
    if framework.info.id is not None:
        return framework.info
    return msgspec.structs.replace(framework.info, id=framework.id)


def _data_bytes(task: Task) -> int:
    executor = task.info.executor
    executor_data = executor.data if executor is not None else None
    return len(task.info.data or b"") + len(executor_data or b"")
