"""What executors say to their agent, and what it answers on their streams. Pure.

An executor that subscribes anew says what it has not seen acknowledged: its updates
are taken as if they came now, and a task that it never heard of is handed to it again.
"""

from __future__ import annotations

from msgspec.structs import replace

from agent.machine.effects import CancelAlarm, CloseStream, SendEvent
from agent.machine.events import RegistrationOver
from agent.machine.executors import ExecutorTable
from agent.machine.held import Executor, ExecutorState, Held, Stage
from agent.machine.launches import hand
from agent.machine.statuses import filled_status, may_report
from agent.records import ExecutorRun
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import FromExecutor, ToExecutor
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.tasks import TaskState, TaskStatus


def subscribed(
    table: ExecutorTable,
    run: ExecutorRun,
    stream: int,
    call: executor_api.Subscribe,
    info: AgentInfo,
) -> None:
    """An executor opened a stream; an earlier one of its is closed."""
    row = table.row_of(run)
    if row is None or row.report is not None:
        _dismiss(table, stream)
        return
    if row.stream is not None:
        table.turn.effects.append(CloseStream(row.stream))
    row.stream = stream
    if row.state is ExecutorState.TERMINATING:
        for status in call.unacknowledged_updates:
            _take_update(table, row, status)
        row.stream = None
        _dismiss(table, stream)
        return
    if row.state is ExecutorState.REGISTERING:
        row.state = ExecutorState.RUNNING
        table.turn.effects.append(CancelAlarm(RegistrationOver(run)))
    table.turn.effects.append(SendEvent(stream, _welcome(table, row, info)))
    for status in call.unacknowledged_updates:
        _take_update(table, row, status)
    known = {task.task_id for task in call.unacknowledged_tasks}
    _hand_missing(table, row, known)


def said(
    table: ExecutorTable,
    run: ExecutorRun,
    call: executor_api.Update | executor_api.SendMessage,
) -> None:
    """An update, which is acknowledged when it is on disk as far as it must be; or a
    message, which is passed on if there is a leader."""
    row = table.row_of(run)
    if row is None or row.report is not None:
        return  # it has ended meanwhile, and so have its tasks
    if isinstance(call, executor_api.Update):
        _take_update(table, row, call.status)
    else:
        message = FromExecutor(
            framework_id=run.framework_id,
            executor_id=run.executor_id,
            data=call.data,
        )
        table.messages.append(message)


def stream_lost(table: ExecutorTable, run: ExecutorRun, stream: int) -> None:
    """It is waited for: it may subscribe again, or its process ends."""
    row = table.row_of(run)
    if row is not None and row.stream == stream:
        row.stream = None


def told(table: ExecutorTable, message: ToExecutor) -> None:
    """A scheduler's message; lost if the executor does not hear it now."""
    row = table.rows.get((message.framework_id, message.executor_id))
    if row is not None and row.stream is not None:
        event = executor_api.Message(data=message.data)
        table.turn.effects.append(SendEvent(row.stream, event))
        table.tasks.counts["valid_framework_messages"] += 1
    else:
        table.tasks.counts["invalid_framework_messages"] += 1


def _dismiss(table: ExecutorTable, stream: int) -> None:
    table.turn.effects += (
        SendEvent(stream, executor_api.Shutdown()),
        CloseStream(stream),
    )


def _welcome(
    table: ExecutorTable, row: Executor, info: AgentInfo
) -> executor_api.Subscribed:
    assert row.info is not None and row.framework is not None, row
    return executor_api.Subscribed(
        executor_info=replace(row.info, framework_id=row.run.framework_id),
        framework_info=row.framework,
        agent_id=table.tasks.agent_id or AgentId(""),
        agent_info=info,
        container_id=row.run.container_id,
        role=row.role,
    )


def _hand_missing(table: ExecutorTable, row: Executor, known: set[TaskId]) -> None:
    """Tasks that wait, and those that were lost on an earlier stream."""
    groups: dict[tuple[TaskId, ...], list[Held]] = {}
    kills: list[Held] = []
    for key in row.tasks:
        held = table.tasks.held[key]
        is_lost = (
            held.stage is Stage.HANDED
            and held.state is TaskState.STAGING
            and key[1] not in known
        )
        if held.stage is Stage.QUEUED or is_lost:
            groups.setdefault(held.group or (key[1],), []).append(held)
        if held.stage is Stage.HANDED and held.kill_message is not None:
            kills.append(held)
    for members in groups.values():
        hand(table, row, members)
    for held in kills:
        table.kill_handed(held)


def _take_update(table: ExecutorTable, row: Executor, status: TaskStatus) -> None:
    """Make it the newest of its task, unless it came before or comes too late; then
    it is only acknowledged."""
    assert status.uuid is not None, "the endpoint has looked"
    tasks = table.tasks
    held = tasks.held.get((row.run.framework_id, status.task_id))
    is_ours = held is not None and held.run == row.run
    if held is None or not is_ours or held.stage not in (Stage.HANDED, Stage.ENDED):
        tasks.counts["invalid_status_updates"] += 1
    elif held.stage is Stage.ENDED or held.saw(status.uuid):
        tasks.counts["repeated_status_updates"] += 1
    elif not may_report(status.state):
        tasks.counts["invalid_status_updates"] += 1
    else:
        tasks.counts["valid_status_updates"] += 1
        held.healthy = status.healthy
        filled = filled_status(
            held,
            status,
            agent_id=tasks.agent_id,
            now_ms=tasks.now_ms,
            network=tasks.network,
        )
        tasks.take_status(held, filled)
    if row.stream is not None:
        event = executor_api.Acknowledged(task_id=status.task_id, uuid=status.uuid)
        table.turn.effects.append(SendEvent(row.stream, event))
