"""How executors are begun, and come by their tasks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from agent.machine.effects import LinkVolumes, SendEvent, StartExecutor
from agent.machine.executors import ExecutorTable
from agent.machine.held import Executor, ExecutorState, Held, Stage
from agent.records import ExecutorRun, ExecutorTaken
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import TaskOrder
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.resource_keys import kind_of_key
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import Reason, TaskState


def run_orders(table: ExecutorTable, orders: Iterable[TaskOrder]) -> None:
    """Take tasks and start them, or hand them to their executors."""
    groups: dict[tuple[str, ...], list[TaskOrder]] = {}
    for order in orders:
        if order.group:
            group = (order.framework_id, *order.group)
            groups.setdefault(group, []).append(order)
        elif order.task.executor is None:
            table.tasks.run(order)
        else:
            _run_together(table, [order])
    for members in groups.values():
        _run_together(table, members)


def _run_together(table: ExecutorTable, orders: Sequence[TaskOrder]) -> None:
    """Tasks of one group, or one task that is of none: all or none of them."""
    fresh: list[tuple[TaskOrder, Held]] = []
    is_new = False
    for order in orders:
        key = (order.framework_id, order.task.task_id)
        if key in table.tasks.held:
            table.tasks.updates.send_again(key)
            continue
        is_new = True
        executor = order.task.executor
        executor_id = executor.executor_id if executor else order.task.task_id
        held = table.tasks.admit(order, executor_id=executor_id)
        if held is not None:
            fresh.append((order, held))
    if not is_new or not fresh:
        return
    first = orders[0]
    if first.group and {o.task.task_id for o, _ in fresh} != set(first.group):
        _refuse_group(table, [held for _, held in fresh])
        return
    info = first.task.executor
    assert info is not None, "problem_of has looked"
    row = table.rows.get((first.framework_id, info.executor_id))
    if row is not None and row.is_ending:
        for _, held in fresh:
            table.tasks.end(
                held,
                TaskState.DROPPED,
                f"Executor {row.state.value.lower()}",
                Reason.EXECUTOR_TERMINATED,
            )
        return
    row = row or _begin(table, first)
    for order, held in fresh:
        held.run = row.run
        row.tasks[held.key] = None
        if row.is_default:
            table.tasks.start(held, order)
        else:
            held.container_id = row.run.container_id
            table.tasks.take(held)
    if row.stream is not None and not row.is_default:
        hand(table, row, [held for _, held in fresh])


def _refuse_group(table: ExecutorTable, members: Iterable[Held]) -> None:
    """The others ended before they came, or cannot run."""
    for held in members:
        table.tasks.end(
            held,
            TaskState.KILLED,
            "another task of its group cannot run, or was killed before it came",
            Reason.TASK_KILLED_DURING_LAUNCH,
        )


def _begin(table: ExecutorTable, order: TaskOrder) -> Executor:
    info = order.task.executor
    assert info is not None, "of an executor's task"
    container_id = uuid_text(table.tasks.new_uuid())
    run = ExecutorRun(order.framework_id, info.executor_id, container_id)
    framework = executor_framework(order.framework, run, order.framework_name)
    row = Executor(
        run=run,
        state=ExecutorState.REGISTERING,
        info=info,
        framework=framework,
        role=order.role,
    )
    table.rows[run.key] = row
    table.turn.records.append(ExecutorTaken(*run.key, container_id))
    table.turn.is_sync_needed = True
    if row.is_default:
        row.state = ExecutorState.RUNNING
    else:
        table.turn.effects.append(StartExecutor(run, info, framework, order.role))
    return row


def hand(table: ExecutorTable, row: Executor, members: Sequence[Held]) -> None:
    """Tell an executor that is connected of these tasks, of one group or one."""
    assert row.stream is not None
    infos = [held.info for held in members if held.info is not None]
    for held, info in zip(members, infos, strict=True):
        held.stage = Stage.HANDED
        volumes = volumes_of(info.resources)
        if volumes:
            table.turn.effects.append(LinkVolumes(row.run, volumes))
    row.was_handed_task = True
    event: executor_api.Event
    if members[0].group:
        event = executor_api.LaunchTaskGroup(tasks=tuple(infos), role=row.role)
    else:
        event = executor_api.LaunchTask(task=infos[0], role=row.role)
    table.turn.effects.append(SendEvent(row.stream, event))


def executor_framework(
    framework: FrameworkInfo | None, run: ExecutorRun, name: str
) -> FrameworkInfo:
    """The framework as its executor is told of it: always with its id."""
    if framework is None:
        return FrameworkInfo(user="", name=name, id=run.framework_id)
    return replace(framework, id=run.framework_id)


def volumes_of(resources: Resources) -> Resources:
    """The persistent volumes among these."""
    if not any("|" in key for key in resources.scalars):
        return EMPTY
    return resources.only(lambda key: kind_of_key(key).volume is not None)


def uuid_text(uuid: bytes) -> str:
    """16 bytes as uuids are written."""
    text = uuid.hex()
    parts = (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
    return "-".join(parts)
