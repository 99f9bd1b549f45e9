"""The tasks an agent holds, and what may happen to them. Pure.

A task is taken at most once in the life of the work folder: its key is on disk
before it is started, and a key that was used stays remembered when the task is
forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from agent.machine.effects import (
    CancelStart,
    SetTimer,
    Signal,
    SignalTask,
    StartTask,
    TaskEnded,
    Turn,
)
from agent.machine.events import ProcessExit
from agent.machine.held import Held, Stage
from agent.records import (
    EndCommitted,
    Ended,
    ProcessMark,
    Started,
    Taken,
    mark_of,
)
from agent.status_updates import UpdateStreams
from raftleader.limits import KILL_GRACE_S_MAX
from raftleader.protocol.agent_rpc import HeldTask, KillOrder, TaskOrder
from raftleader.protocol.ids import AgentId, TaskKey
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus

USED_IDS_MAX = 1_000_000
"""Keys of ended tasks remembered, the latest: some 120 MB of memory when full. A
leader repeats a launch only until its first update is committed, so none asks for
an older one; and a sandbox that still exists is never used again."""


@attrs.define
class TaskTable:
    """All tasks. Each method handles one event and adds to ``turn``."""

    new_uuid: Callable[[], bytes]
    updates: UpdateStreams = attrs.field(factory=UpdateStreams)
    held: dict[TaskKey, Held] = attrs.field(factory=dict)
    used: dict[bytes, None] = attrs.field(factory=dict)
    agent_id: AgentId | None = None
    now_ms: int = 0
    turn: Turn = attrs.field(factory=Turn)

    def restore_ended(self, key: TaskKey, status: TaskStatus) -> None:
        """An end from before a restart that is not known to be committed."""
        self.held[key] = Held(key=key, stage=Stage.ENDED, state=status.state)
        self.updates.add(key, status)

    def run(self, order: TaskOrder) -> None:
        """Take a task and start it; what was taken before is answered instead."""
        task = order.task
        key = (order.framework_id, task.task_id)
        if key in self.held:
            self.updates.send_again(key)
            return
        mark = mark_of(key)
        held = Held(
            key=key,
            stage=Stage.LAUNCHING,
            state=TaskState.STARTING,
            name=task.name,
            resources=task.resources,
            container_id=mark.hex(),
        )
        self.held[key] = held
        if mark in self.used:
            self._end(
                held,
                TaskState.DROPPED,
                "this agent has run a task of this id before; it starts none twice",
                Reason.TASK_INVALID,
            )
            return
        problem = _problem_of(order)
        if problem is not None:
            self._end(held, TaskState.ERROR, problem, Reason.TASK_INVALID)
            return
        if task.kill_grace_ms is not None:
            held.grace_ms = _bounded_grace(task.kill_grace_ms)
        self.turn.records.append(Taken(*key))
        self.turn.is_sync_needed = True
        self._report(held, TaskState.STARTING)
        self.turn.effects.append(StartTask(order))

    def kill(self, order: KillOrder) -> None:
        """End a task; one that never came is never started."""
        key = (order.framework_id, order.task_id)
        held = self.held.get(key)
        if held is not None:
            self._kill(held, "killed on demand of its framework", order.grace_ms)
        elif mark_of(key) not in self.used:
            held = Held(key=key, stage=Stage.LAUNCHING, state=TaskState.STAGING)
            self.held[key] = held
            self._end(
                held,
                TaskState.KILLED,
                "killed before it reached its agent",
                Reason.TASK_KILLED_DURING_LAUNCH,
            )

    def kill_all(self, message: str) -> None:
        for held in list(self.held.values()):
            self._kill(held, message, None)

    def started(self, key: TaskKey, mark: ProcessMark) -> None:
        held = self.held[key]
        assert held.stage is Stage.LAUNCHING, held
        held.stage, held.mark = Stage.RUNNING, mark
        self.turn.records.append(Started(*key, mark))
        self._report(held, TaskState.RUNNING)
        if held.kill_message is not None:
            self._ask_to_end(held)

    def start_failed(self, key: TaskKey, problem: str) -> None:
        held = self.held[key]
        assert held.stage is Stage.LAUNCHING, held
        self._end(held, TaskState.FAILED, problem, Reason.CONTAINER_LAUNCH_FAILED)

    def start_cancelled(self, key: TaskKey) -> None:
        held = self.held[key]
        assert held.stage is Stage.LAUNCHING, held
        self._end(
            held,
            TaskState.KILLED,
            held.kill_message,
            Reason.TASK_KILLED_DURING_LAUNCH,
        )

    def exited(self, key: TaskKey, exit_: ProcessExit, data: bytes | None) -> None:
        held = self.held[key]
        assert held.stage is Stage.RUNNING, held
        if exit_.signal is not None:
            how = f"Command terminated by signal {exit_.signal}"
        else:
            how = f"Command exited with status {exit_.code}"
        if held.kill_message is not None:
            message = f"{how}; {held.kill_message}"
            self._end(held, TaskState.KILLED, message, data=data)
        elif exit_.code == 0:
            self._end(held, TaskState.FINISHED, how, data=data)
        else:
            reason = Reason.COMMAND_EXECUTOR_FAILED
            self._end(held, TaskState.FAILED, how, reason, data)

    def grace_over(self, key: TaskKey) -> None:
        held = self.held.get(key)
        if held is not None and held.stage is Stage.RUNNING:
            self.turn.effects.append(SignalTask(key, Signal.KILL))

    def lost_at_restart(self, keys: Iterable[TaskKey], message: str) -> None:
        for key in keys:
            held = Held(
                key=key,
                stage=Stage.LAUNCHING,
                state=TaskState.STARTING,
                container_id=mark_of(key).hex(),
            )
            self.held[key] = held
            self._end(held, TaskState.FAILED, message, Reason.AGENT_RESTARTED)

    def committed(self, uuid: bytes) -> None:
        """An update is in the log. The end of a task is the end of its memory."""
        found = self.updates.commit(uuid)
        if found is None or not found[1].state.is_terminal:
            return
        key = found[0]
        self.updates.drop(key)
        del self.held[key]
        remember_used(self.used, mark_of(key))
        self.turn.records.append(EndCommitted(*key))

    def list_held(self) -> tuple[HeldTask, ...]:
        return tuple(
            HeldTask(framework_id=key[0], task_id=key[1], state=held.state)
            for key, held in sorted(self.held.items())
        )

    def _kill(self, held: Held, message: str, grace_ms: int | None) -> None:
        if held.stage is Stage.ENDED:
            self.updates.send_again(held.key)
            return
        grace_ms = held.grace_ms if grace_ms is None else _bounded_grace(grace_ms)
        if held.kill_message is not None and grace_ms >= held.grace_ms:
            return  # a repeated order must not begin the grace anew
        is_first = held.kill_message is None
        held.grace_ms = grace_ms
        held.kill_message = held.kill_message or message
        if held.stage is Stage.RUNNING:
            self._ask_to_end(held)
        elif is_first:
            self.turn.effects.append(CancelStart(held.key))

    def _ask_to_end(self, held: Held) -> None:
        self.turn.effects += (
            SignalTask(held.key, Signal.TERM),
            SetTimer(held.key, held.grace_ms),
        )

    def _end(
        self,
        held: Held,
        state: TaskState,
        message: str | None,
        reason: Reason | None = None,
        data: bytes | None = None,
    ) -> None:
        held.stage = Stage.ENDED
        status = self._report(held, state, message=message, reason=reason, data=data)
        self.turn.records.append(Ended(*held.key, status))
        self.turn.is_sync_needed = True
        self.turn.effects.append(TaskEnded(held.key))

    def _report(
        self,
        held: Held,
        state: TaskState,
        *,
        message: str | None = None,
        reason: Reason | None = None,
        data: bytes | None = None,
    ) -> TaskStatus:
        held.state = state
        status = TaskStatus(
            task_id=held.key[1],
            state=state,
            source=Source.AGENT,
            agent_id=self.agent_id,
            reason=reason,
            message=message,
            data=data,
            uuid=self.new_uuid(),
            timestamp_ms=self.now_ms,
            container_id=held.container_id or None,
            executor_pid=held.mark.pid if held.mark else None,
        )
        self.updates.add(held.key, status)
        return status


def remember_used(used: dict[bytes, None], mark: bytes) -> None:
    """Add a mark; of more than USED_IDS_MAX the oldest goes."""
    used[mark] = None
    if len(used) > USED_IDS_MAX:
        del used[next(iter(used))]


def _problem_of(order: TaskOrder) -> str | None:
    """Why this task cannot be run here, whoever tries."""
    if order.task.unsupported:
        return f"not supported by this agent: {', '.join(order.task.unsupported)}"
    if order.task.command is None or order.task.command.value is None:
        return "the task has no command"
    return None


def _bounded_grace(grace_ms: int) -> int:
    return max(0, min(grace_ms, round(KILL_GRACE_S_MAX * 1000)))
