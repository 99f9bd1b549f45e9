"""The tasks an agent holds, and what may happen to them. Pure.

A task is taken at most once in the life of the work folder: its key is on disk
before it is started, and a key that was used stays remembered when the task is
forgotten. Here are the tasks that the agent runs itself (command tasks, and those of
the default executor); what executors have to do with them is in ``executors.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import attrs

from agent.checks.definition import no_result
from agent.machine.effects import (
    BeginChecks,
    CancelAlarm,
    CancelStart,
    ContainerEnd,
    EndChecks,
    SetAlarm,
    SetTimer,
    Signal,
    SignalTask,
    StartTask,
    TaskEnded,
    Turn,
)
from agent.machine.events import CompletionOver, ProcessExit
from agent.machine.held import Held, Stage, bounded_grace
from agent.machine.history import History
from agent.machine.orders import describe_exit, problem_of
from agent.machine.statuses import own_status
from agent.records import (
    EndCommitted,
    Ended,
    ProcessMark,
    Started,
    Taken,
    mark_of,
)
from agent.status_updates import UpdateStreams
from raftleader.protocol.agent_rpc import HeldTask, KillOrder, TaskOrder
from raftleader.protocol.ids import AgentId, TaskKey
from raftleader.protocol.tasks import (
    Reason,
    Source,
    TaskState,
    TaskStatus,
)

USED_IDS_MAX = 1_000_000
"""Keys of ended tasks remembered, the latest: some 120 MB of memory when full. A
leader repeats a launch only until its first update is committed, so none asks for
an older one; and a sandbox that still exists is never used again."""

_ENDS = {state: f"tasks_{state.name.lower()}" for state in TaskState}


class TaskWatcher(Protocol):
    """Who must know what happens to tasks: the executors."""

    def task_ended(self, held: Held) -> None:
        """It has; its end is not committed yet."""

    def task_forgotten(self, held: Held) -> None:
        """Its end is committed."""

    def kill_handed(self, held: Held) -> None:
        """Its executor is to kill it."""


@attrs.define
class TaskTable:
    """All tasks. Each method handles one event and adds to ``turn``.

    Attributes:
        network: See ``network_of``.
        counts: Of what happened since the start, by Mesos' names without ``slave/``.
        watcher: Set before the first event.
    """

    new_uuid: Callable[[], bytes]
    updates: UpdateStreams = attrs.field(factory=UpdateStreams)
    held: dict[TaskKey, Held] = attrs.field(factory=dict)
    used: dict[bytes, None] = attrs.field(factory=dict)
    history: History = attrs.field(factory=History)
    agent_id: AgentId | None = None
    now_ms: int = 0
    network: bytes = b""
    turn: Turn = attrs.field(factory=Turn)
    counts: Counter[str] = attrs.field(factory=Counter)
    watcher: TaskWatcher = attrs.field(init=False)

    def restore_ended(self, key: TaskKey, status: TaskStatus) -> None:
        """An end from before a restart that is not known to be committed."""
        self.held[key] = Held(
            key=key,
            stage=Stage.ENDED,
            state=status.state,
            executor_id=status.executor_id,
            container_id=status.container_id or "",
            statuses=[status],
        )
        self.updates.add(key, status)

    def run(self, order: TaskOrder) -> None:
        """Take a command task and start it; what was taken before is answered
        instead."""
        key = (order.framework_id, order.task.task_id)
        if key in self.held:
            self.updates.send_again(key)
            return
        held = self.admit(order, executor_id=order.task.task_id)
        if held is not None:
            self.start(held, order)

    def admit(self, order: TaskOrder, *, executor_id: str) -> Held | None:
        """Hold a task that is new here; None if it cannot run, and has ended so."""
        task = order.task
        key = (order.framework_id, task.task_id)
        mark = mark_of(key)
        held = self.held[key] = Held(
            key=key,
            stage=Stage.QUEUED,
            state=TaskState.STAGING,
            info=task,
            framework_name=order.framework_name,
            role=order.role,
            group=order.group,
            executor_id=executor_id,
            container_id=mark.hex(),
        )
        if mark in self.used:
            self.end(
                held,
                TaskState.DROPPED,
                "this agent has run a task of this id before; it starts none twice",
                Reason.TASK_INVALID,
            )
            return None
        problem = problem_of(order)
        if problem is not None:
            self.end(held, TaskState.ERROR, problem, Reason.TASK_INVALID)
            return None
        if task.kill_grace_ms is not None:
            held.grace_ms = bounded_grace(task.kill_grace_ms)
        if task.check is not None:
            held.check_status = no_result(task.check)
        return held

    def take(self, held: Held) -> None:
        """It is ours: on disk, before anything is done about it."""
        executor_id = held.run.executor_id if held.run else None
        self.turn.records.append(Taken(*held.key, executor_id))
        self.turn.is_sync_needed = True

    def start(self, held: Held, order: TaskOrder) -> None:
        """Take it and start its process."""
        held.stage = Stage.LAUNCHING
        self.take(held)
        self.report(held, TaskState.STARTING)
        self.turn.effects.append(StartTask(order, held.run))
        held.forget_data()

    def kill(self, order: KillOrder) -> None:
        """End a task; one that never came is never started."""
        key = (order.framework_id, order.task_id)
        held = self.held.get(key)
        if held is not None:
            self.kill_held(held, "killed on demand of its framework", order.grace_ms)
        elif mark_of(key) not in self.used:
            held = Held(key=key, stage=Stage.QUEUED, state=TaskState.STAGING)
            self.held[key] = held
            self.end(
                held,
                TaskState.KILLED,
                "killed before it reached its agent",
                Reason.TASK_KILLED_DURING_LAUNCH,
            )

    def kill_all(self, message: str) -> None:
        """All that was not handed to its executor."""
        for held in list(self.held.values()):
            if held.stage is not Stage.HANDED:
                self.kill_held(held, message, None)

    def kill_held(self, held: Held, message: str, grace_ms: int | None) -> None:
        """End it; with a shorter grace than before, sooner."""
        if held.stage is Stage.ENDED:
            self.updates.send_again(held.key)
            return
        is_asked = grace_ms is not None
        grace_ms = held.grace_ms if grace_ms is None else bounded_grace(grace_ms)
        if held.kill_message is not None and grace_ms >= held.grace_ms:
            return  # a repeated order must not begin the grace anew
        is_first = held.kill_message is None
        held.grace_ms = grace_ms
        held.kill_message = held.kill_message or message
        if held.stage is Stage.RUNNING:
            self._ask_to_end(held)
        elif held.stage is Stage.HANDED:
            held.kill_override_ms = grace_ms if is_asked else None
            self.watcher.kill_handed(held)
        elif held.stage is Stage.QUEUED:
            self.end(
                held,
                TaskState.KILLED,
                "killed before it was handed to its executor",
                Reason.TASK_KILLED_DURING_LAUNCH,
            )
        elif is_first:
            self.turn.effects.append(CancelStart(held.key))

    def started(self, key: TaskKey, mark: ProcessMark) -> None:
        held = self.held[key]
        assert held.stage is Stage.LAUNCHING, held
        held.stage, held.mark = Stage.RUNNING, mark
        self.turn.records.append(Started(*key, mark))
        self.report(held, TaskState.RUNNING)
        info = held.info
        assert info is not None, "it was started"
        if held.kill_message is not None:
            self._ask_to_end(held)
            return
        if info.max_completion_ms is not None:
            alarm = SetAlarm(CompletionOver(key), max(0, info.max_completion_ms))
            self.turn.effects.append(alarm)
        if info.health_check is not None or info.check is not None:
            self.turn.effects.append(BeginChecks(info, key, held.run))

    def start_failed(self, key: TaskKey, problem: str) -> None:
        held = self.held[key]
        assert held.stage is Stage.LAUNCHING, held
        self.counts["container_launch_errors"] += 1
        self.end(held, TaskState.FAILED, problem, Reason.CONTAINER_LAUNCH_FAILED)

    def start_cancelled(self, key: TaskKey) -> None:
        held = self.held[key]
        assert held.stage is Stage.LAUNCHING, held
        self.end(
            held,
            TaskState.KILLED,
            held.kill_message,
            Reason.TASK_KILLED_DURING_LAUNCH,
        )

    def exited(self, key: TaskKey, exit_: ProcessExit, data: bytes | None) -> None:
        held = self.held[key]
        assert held.stage is Stage.RUNNING, held
        how, reason = f"Command {describe_exit(exit_)}", held.kill_reason
        if reason is not None:
            state = TaskState.FAILED
            how = f"{how}; {held.kill_message}"
        elif held.kill_message is not None:
            state = TaskState.KILLED
            how = f"{how}; {held.kill_message}"
        elif exit_.code == 0:
            state = TaskState.FINISHED
        else:
            state, reason = TaskState.FAILED, Reason.COMMAND_EXECUTOR_FAILED
        self.end(held, state, how, reason, data, Source.EXECUTOR, exit_)

    def grace_over(self, key: TaskKey) -> None:
        held = self.held.get(key)
        if held is not None and held.stage is Stage.RUNNING:
            self.turn.effects.append(SignalTask(key, Signal.KILL))

    def lost_at_restart(
        self, keys: Iterable[TaskKey], executors: Mapping[TaskKey, str], message: str
    ) -> None:
        for key in keys:
            held = Held(
                key=key,
                stage=Stage.QUEUED,
                state=TaskState.STARTING,
                executor_id=executors.get(key, key[1]),
                container_id=mark_of(key).hex(),
            )
            self.held[key] = held
            self.end(held, TaskState.FAILED, message, Reason.AGENT_RESTARTED)

    def committed(self, uuid: bytes) -> bool:
        """An update is in the log; False if it is none of ours. The end of a task is
        the end of its memory."""
        found = self.updates.commit(uuid)
        if found is None:
            return False
        if found[1].state.is_terminal:
            key = found[0]
            self.updates.drop(key)
            held = self.held.pop(key)
            remember_used(self.used, mark_of(key))
            self.turn.records.append(EndCommitted(*key))
            self.history.add_task(held)
            self.watcher.task_forgotten(held)
        return True

    def list_held(self) -> tuple[HeldTask, ...]:
        return tuple(
            HeldTask(framework_id=key[0], task_id=key[1], state=held.state)
            for key, held in sorted(self.held.items())
        )

    def take_status(self, held: Held, status: TaskStatus) -> None:
        """An update as it stands: the task's newest, and perhaps its end."""
        held.state = status.state
        held.remember(status)
        self.updates.add(held.key, status)
        if status.state.is_terminal:
            self._ended(held, status)

    def end(
        self,
        held: Held,
        state: TaskState,
        message: str | None,
        reason: Reason | None = None,
        data: bytes | None = None,
        source: Source = Source.AGENT,
        exit_: ProcessExit | None = None,
    ) -> None:
        """It has ended so. ``exit_`` is that of its own process."""
        if held.is_own and held.info is not None:
            end = ContainerEnd(
                container_id=held.container_id, exit=exit_, state=state, message=message
            )
            self.turn.ends.append(end)
        self.report(
            held, state, message=message, reason=reason, data=data, source=source
        )

    def _ended(self, held: Held, status: TaskStatus) -> None:
        was_running, was_own = held.stage is Stage.RUNNING, held.is_own
        held.stage = Stage.ENDED
        self.counts[_ENDS[status.state]] += 1
        self.turn.records.append(Ended(*held.key, status))
        self.turn.is_sync_needed = True
        info = held.info
        if was_running and info and (info.health_check or info.check):
            self.turn.effects.append(EndChecks(held.key))
        if was_running and info and info.max_completion_ms is not None:
            self.turn.effects.append(CancelAlarm(CompletionOver(held.key)))
        if was_own and held.run is None:
            self.turn.effects.append(TaskEnded(held.key))
        self.watcher.task_ended(held)

    def _ask_to_end(self, held: Held) -> None:
        self.turn.effects += (
            SignalTask(held.key, Signal.TERM),
            SetTimer(held.key, held.grace_ms),
        )
        if held.state is TaskState.KILLING:
            return
        info = held.info
        if info and (info.health_check or info.check):
            self.turn.effects.append(EndChecks(held.key))
        if held.kill_reason is None:
            self.report(held, TaskState.KILLING)

    def report(
        self,
        held: Held,
        state: TaskState,
        *,
        message: str | None = None,
        reason: Reason | None = None,
        data: bytes | None = None,
        source: Source = Source.EXECUTOR,
    ) -> None:
        """Say so of it, as its executor unless ``source`` is another."""
        healthy = held.healthy
        if state is not TaskState.RUNNING and not (
            healthy is False and held.kill_message
        ):
            healthy = None
        status = own_status(
            held,
            state,
            agent_id=self.agent_id,
            uuid=self.new_uuid(),
            now_ms=self.now_ms,
            source=source,
            message=message,
            reason=reason,
            data=data,
            healthy=healthy,
            network=self.network,
        )
        self.take_status(held, status)


def remember_used(used: dict[bytes, None], mark: bytes) -> None:
    """Add a mark; of more than USED_IDS_MAX the oldest goes."""
    used[mark] = None
    if len(used) > USED_IDS_MAX:
        del used[next(iter(used))]
