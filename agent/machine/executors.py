"""The executors of an agent: begun by their first task, ended and reported. Pure.

A *run* of an executor begins with a launch and is over for good when its process has
ended (the framework's program) or its last task has (the default executor, which has
no process: the agent plays it). Its tasks then end with it, and when their ends are in
the leaders' log it is reported, until that is in the log too. Until then its id takes
no more tasks.

How they come by their tasks is in ``launches.py``, what they say in
``executor_calls.py``.
"""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Iterable

import attrs

from agent.machine.effects import (
    CancelStart,
    CloseStream,
    ContainerEnd,
    RunEnded,
    SendEvent,
    SetAlarm,
    SetTimer,
    Signal,
    SignalTask,
    Turn,
)
from agent.machine.events import AgentRestarted, ProcessExit, RegistrationOver
from agent.machine.held import (
    Executor,
    ExecutorState,
    Held,
    LastWord,
    Stage,
    bounded_grace,
)
from agent.machine.orders import describe_exit
from agent.machine.reports import ExecutorReports
from agent.machine.tasks import TaskTable
from agent.records import (
    ExecutorEndCommitted,
    ExecutorEnded,
    ExecutorKey,
    ExecutorRun,
    ExecutorStarted,
    ProcessMark,
)
from agent.time_text import duration_text
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import (
    ExecutorOrder,
    ExecutorReport,
    FromExecutor,
    HeldExecutor,
)
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.tasks import Reason, TaskState

REGISTRATION_TIMEOUT_S = 60.0
"""An executor that has not subscribed by then is killed; Mesos' own value."""
SHUTDOWN_GRACE_S = 5.0
"""Between SHUTDOWN and KILL of an executor when it names none; Mesos' own value."""
UNKNOWN_STATUS = -1
"""Of an executor of which nobody knows how it ended; Mesos' own value."""


@attrs.define
class ExecutorTable:
    """All executors; a ``TaskWatcher``. Each method handles one event and adds to the
    turn of ``tasks``.

    Attributes:
        rows: Runs whose end is not committed.
        messages: For schedulers, made in this turn.
    """

    tasks: TaskTable
    registration_timeout_ms: int = round(REGISTRATION_TIMEOUT_S * 1000)
    shutdown_grace_ms: int = round(SHUTDOWN_GRACE_S * 1000)
    rows: dict[ExecutorKey, Executor] = attrs.field(factory=dict)
    messages: list[FromExecutor] = attrs.field(factory=list)
    reports: ExecutorReports = attrs.field(factory=ExecutorReports)

    @property
    def turn(self) -> Turn:
        return self.tasks.turn

    def row_of(self, run: ExecutorRun) -> Executor | None:
        """The row of this very run."""
        row = self.rows.get(run.key)
        return row if row is not None and row.run == run else None

    # --- processes ------------------------------------------------------------------

    def started(self, run: ExecutorRun, mark: ProcessMark) -> None:
        row = self.rows[run.key]
        assert row.run == run and row.mark is None, row
        row.mark = mark
        self.turn.records.append(ExecutorStarted(*run.key, mark))
        if row.state is ExecutorState.REGISTERING:
            alarm = SetAlarm(RegistrationOver(run), self.registration_timeout_ms)
            self.turn.effects.append(alarm)
        else:
            self.turn.effects.append(SetTimer(run, self._grace_ms(row)))

    def start_failed(self, run: ExecutorRun, problem: str) -> None:
        self.tasks.counts["container_launch_errors"] += 1
        row = self.rows[run.key]
        row.last_word = LastWord(reason=Reason.CONTAINER_LAUNCH_FAILED, message=problem)
        self._end(row, UNKNOWN_STATUS, problem, None)

    def start_cancelled(self, run: ExecutorRun) -> None:
        problem = "it was ended before it was started"
        self._end(self.rows[run.key], UNKNOWN_STATUS, problem, None)

    def exited(self, run: ExecutorRun, exit_: ProcessExit) -> None:
        row = self.rows[run.key]
        assert row.run == run, row
        text = f"Executor {describe_exit(exit_)}"
        self._end(row, wait_status(exit_), text, exit_)

    def grace_over(self, run: ExecutorRun) -> None:
        row = self.row_of(run)
        if row is not None and row.report is None and row.mark is not None:
            self.turn.effects.append(SignalTask(run, Signal.KILL))

    def registration_over(self, run: ExecutorRun) -> None:
        row = self.row_of(run)
        if row is not None and row.state is ExecutorState.REGISTERING:
            row.state = ExecutorState.TERMINATING
            within = duration_text(self.registration_timeout_ms)
            row.last_word = LastWord(
                reason=Reason.EXECUTOR_REGISTRATION_TIMEOUT,
                message=f"Executor did not register within {within}",
            )
            self.turn.effects.append(SignalTask(run, Signal.KILL))

    # --- ends -----------------------------------------------------------------------

    def shut_down(self, order: ExecutorOrder) -> None:
        """End an executor; one that is not there is answered with its end."""
        row = self.rows.get((order.framework_id, order.executor_id))
        if row is None:
            run = ExecutorRun(order.framework_id, order.executor_id, "")
            row = Executor(run=run, state=ExecutorState.TERMINATING)
            self.rows[run.key] = row
            self._end(row, UNKNOWN_STATUS, "the agent does not know it", None)
        elif row.report is not None:
            row.sent_tick = None  # say it again
        else:
            self.end(row)

    def end_all(self, message: str) -> None:
        """For an agent that stops."""
        for row in list(self.rows.values()):
            word = LastWord(state=TaskState.KILLED, message=message)
            self.end(row, word)

    def end(self, row: Executor, last_word: LastWord | None = None) -> None:
        """Ask it to end, and see to it when its grace is over; once."""
        if row.is_ending:
            return
        row.state, row.last_word = ExecutorState.TERMINATING, last_word
        if row.is_default:
            for held in self._live(row):
                self.tasks.kill_held(held, "its executor was shut down", None)
            return
        if row.mark is None:
            self.turn.effects.append(CancelStart(row.run))
            return
        if row.stream is not None:
            self.turn.effects.append(SendEvent(row.stream, executor_api.Shutdown()))
        self.turn.effects.append(SetTimer(row.run, self._grace_ms(row)))

    def _end(
        self, row: Executor, status: int, message: str, exit_: ProcessExit | None
    ) -> None:
        """It is over: so are its tasks."""
        row.state = ExecutorState.TERMINATED
        word = row.last_word or LastWord()
        for held in self._live(row):
            self.tasks.end(held, word.state, word.message, word.reason)
        report = ExecutorReport(
            framework_id=row.run.framework_id,
            executor_id=row.run.executor_id,
            uuid=self.tasks.new_uuid(),
            status=status,
            message=message,
        )
        if row.stream is not None:
            self.turn.effects.append(CloseStream(row.stream))
            row.stream = None
        if row.info is not None:
            self.tasks.counts["executors_terminated"] += 1
            self.turn.records.append(ExecutorEnded(report))
            self.turn.is_sync_needed = True
            self.turn.effects.append(RunEnded(row.run))
            end = ContainerEnd(
                container_id=row.run.container_id,
                exit=exit_,
                state=word.state if row.last_word else None,
                message=message,
            )
            self.turn.ends.append(end)
        self.reports.add(row, report)

    def _live(self, row: Executor) -> list[Held]:
        found = (self.tasks.held[key] for key in row.tasks)
        return [held for held in found if held.stage is not Stage.ENDED]

    def _grace_ms(self, row: Executor) -> int:
        own_ms = row.info.shutdown_grace_ms if row.info else None
        return self.shutdown_grace_ms if own_ms is None else bounded_grace(own_ms)

    # --- what tasks do --------------------------------------------------------------

    def task_ended(self, held: Held) -> None:
        row = self.row_of(held.run) if held.run is not None else None
        if row is None or row.state is ExecutorState.TERMINATED:
            return
        if held.group and held.state is not TaskState.FINISHED:
            for key in list(row.tasks):
                other = self.tasks.held[key]
                if other.group == held.group and other.stage is not Stage.HANDED:
                    self._end_with(other, held)
        if self._live(row) or row.report is not None:
            return
        if row.is_default:
            self._end(row, 0, "", ProcessExit(code=0))
        elif not row.was_handed_task:
            # Many executors wait for their first task for ever.
            self.end(row)

    def _end_with(self, other: Held, held: Held) -> None:
        if other.stage is not Stage.ENDED:
            state = held.state.value
            message = f"task {held.key[1]} of its group ended as {state}"
            self.tasks.kill_held(other, message, None)

    def task_forgotten(self, held: Held) -> None:
        row = self.row_of(held.run) if held.run is not None else None
        if row is not None:
            row.tasks.pop(held.key, None)

    def kill_handed(self, held: Held) -> None:
        row = self.row_of(held.run) if held.run is not None else None
        if row is not None and row.stream is not None:
            kill = executor_api.KillTask(
                task_id=held.key[1], grace_ms=held.kill_override_ms
            )
            self.turn.effects.append(SendEvent(row.stream, kill))

    def committed(self, uuid: bytes) -> None:
        """This end is in the log, if it is one of ours."""
        row = self.reports.commit(uuid)
        if row is not None:
            del self.rows[row.run.key]
            self.tasks.history.add_executor(row)
            if row.run.container_id:
                self.turn.records.append(ExecutorEndCommitted(*row.run.key))

    def list_held(self) -> tuple[HeldExecutor, ...]:
        return tuple(
            HeldExecutor(framework_id=key[0], executor_id=key[1])
            for key in sorted(self.rows)
        )

    # --- restart --------------------------------------------------------------------

    def restored(self, event: AgentRestarted, message: str) -> None:
        """Nothing of these runs any more; ``tasks`` has its part already."""
        keys: dict[ExecutorKey, list[TaskKey]] = defaultdict(list)
        for key, held in self.tasks.held.items():
            if held.executor_id is not None:
                keys[key[0], held.executor_id].append(key)
        for run in event.runs:
            row = self._restore(run, keys[run.key])
            row.info = None
            report = ExecutorReport(
                framework_id=run.framework_id,
                executor_id=run.executor_id,
                uuid=self.tasks.new_uuid(),
                status=UNKNOWN_STATUS,
                message=message,
            )
            self.turn.records.append(ExecutorEnded(report))
            self.turn.is_sync_needed = True
            self.reports.add(row, report)
        for report in event.reports:
            run = ExecutorRun(report.framework_id, report.executor_id, "restored")
            self.reports.add(self._restore(run, keys[run.key]), report)

    def _restore(self, run: ExecutorRun, tasks: Iterable[TaskKey]) -> Executor:
        row = Executor(run=run, state=ExecutorState.TERMINATED)
        for key in tasks:
            row.tasks[key] = None
            self.tasks.held[key].run = run
        self.rows[run.key] = row
        return row


def wait_status(exit_: ProcessExit) -> int:
    """As waitpid(2) gives it."""
    if exit_.signal is None:
        return (exit_.code or 0) << 8
    try:
        return int(signal.Signals[exit_.signal])
    except KeyError:
        return int(exit_.signal)  # a number stands where there is no name
