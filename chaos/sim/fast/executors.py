"""Executors of frameworks' own on an agent of the fast level: their side of the API.

What one does is in its command: it may die, go deaf, never subscribe, or lose its
stream again and again. What its tasks do is in their data, as in the commands of
command tasks. An executor dies with its agent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from agent.machine.effects import (
    CancelAlarm,
    CancelStart,
    CloseStream,
    Effect,
    RunEnded,
    SendEvent,
    SetAlarm,
    Signal,
    SignalTask,
    StartExecutor,
)
from agent.machine.events import (
    Event,
    ExecutorCalled,
    ExecutorSubscribed,
    ProcessExit,
    ProcessExited,
    ProcessStarted,
    StartCancelled,
    StartFailed,
    StreamLost,
)
from agent.records import ExecutorRun, ProcessMark
from raftleader.protocol import executor_api
from raftleader.protocol.ids import TaskId
from raftleader.protocol.tasks import Source, TaskInfo, TaskState, TaskStatus

if TYPE_CHECKING:
    from chaos.sim.fast.agent_life import AgentLife

PATH_S = 0.002
"""Between an agent and an executor, either way: events stay in order."""
START_S = (0.001, 0.1)
SUBSCRIBE_S = (0.01, 0.4)
LOSE_S = 1.5
"""Mean time between two losses of the stream of one that is ``flaky``..."""
DIE_S = 4.0
"""... and to the death of one that ``dies``."""
IDLE_S = 3.0
"""One that is ``tidy`` exits when it had nothing to do for so long."""


@attrs.define(eq=False)
class SimExecutor:
    """A process.

    Attributes:
        stream: By which the agent knows where to send; None while there is none.
        seen: Tasks it was ever handed.
        live: Tasks that have not ended.
        silent: Tasks of which no update was acknowledged.
        unacknowledged: Updates likewise.
    """

    run: ExecutorRun
    kind: str
    stream: int | None = None
    is_shut: bool = False
    busy: int = 0
    seen: set[TaskId] = attrs.field(factory=set)
    live: dict[TaskId, TaskInfo] = attrs.field(factory=dict)
    silent: dict[TaskId, TaskInfo] = attrs.field(factory=dict)
    unacknowledged: dict[bytes, TaskStatus] = attrs.field(factory=dict)


class Executors:
    """All executors of one life of an agent.

    Attributes:
        running: Processes, by run.
        ended_s: When runs ended, of those that did.
    """

    def __init__(self, life: AgentLife, rng: random.Random) -> None:
        self.running: dict[ExecutorRun, SimExecutor] = {}
        self.ended_s: dict[tuple[str, str], float] = {}
        self._starting: dict[ExecutorRun, StartExecutor] = {}
        self._alarms: set[object] = set()
        self._streams: dict[int, SimExecutor] = {}
        self._life = life
        self._agent = life.agent
        self._rng = rng
        self._count = 0

    def perform(self, effect: Effect) -> None:
        """Do what concerns executors."""
        after = self._agent.agenda.after
        match effect:
            case StartExecutor(run, _, _, _):
                self._starting[run] = effect
                after(self._rng.uniform(*START_S), self._start, effect)
            case CancelStart(ExecutorRun() as run):
                if self._starting.pop(run, None) is not None:
                    after(0.0, self._life.event, StartCancelled(run))
            case SignalTask(ExecutorRun() as run, signal):
                self._signal(run, signal)
            case SetAlarm(event, after_ms):
                self._alarms.add(event)
                after(after_ms / 1000, self._ring, event)
            case CancelAlarm(event):
                self._alarms.discard(event)
            case SendEvent(stream, message):
                after(PATH_S, self._hear, stream, message)
            case CloseStream(stream):
                after(PATH_S, self._closed, stream)
            case RunEnded(run):
                self.ended_s[run.key] = self._agent.agenda.now_s
            case _:
                pass

    def _ring(self, event: Event) -> None:
        if event in self._alarms:
            self._alarms.discard(event)
            self._life.event(event)

    # --- the process ----------------------------------------------------------------

    def _start(self, effect: StartExecutor) -> None:
        run = effect.run
        if not self._life.is_alive or self._starting.get(run) is not effect:
            return
        del self._starting[run]
        assert effect.info.command is not None
        kind = effect.info.command.value or ""
        if kind == "broken":
            self._life.turn(StartFailed(run, "no such program"))
            return
        self._count += 1
        self._agent.counts["executors started"] += 1
        executor = self.running[run] = SimExecutor(run, kind)
        mark = ProcessMark(pid=1_000_000 + self._count, start_ticks=1, boot_id="b")
        self._life.turn(ProcessStarted(run, mark))
        if kind != "mute":
            self._after(executor, self._rng.uniform(*SUBSCRIBE_S), self._subscribe)
        if kind == "dies":
            self._after(executor, self._rng.expovariate(1 / DIE_S), self._die)
        elif kind == "flaky":
            self._after(executor, self._rng.expovariate(1 / LOSE_S), self._lose)

    def _signal(self, run: ExecutorRun, signal: Signal) -> None:
        executor = self.running.get(run)
        if executor is not None:
            delay_s = 0.01 * self._rng.random()
            self._after(executor, delay_s, self._exit, None, signal.value)

    def _die(self, executor: SimExecutor) -> None:
        self._agent.counts["executors died"] += 1
        self._exit(executor, 1, None)

    def _exit(
        self, executor: SimExecutor, code: int | None, signal: str | None
    ) -> None:
        del self.running[executor.run]
        self._streams.pop(executor.stream or 0, None)
        exit_ = ProcessExit(code=code, signal=signal)
        self._life.turn(ProcessExited(executor.run, exit_))

    def _after(
        self,
        executor: SimExecutor,
        delay_s: float,
        act: Callable[..., object],
        *args: object,
    ) -> None:
        """Call ``act(executor, *args)``, if it still runs then."""

        def run() -> None:
            if self._life.is_alive and self.running.get(executor.run) is executor:
                act(executor, *args)

        self._agent.agenda.after(delay_s, run)

    # --- its stream -----------------------------------------------------------------

    def _subscribe(self, executor: SimExecutor) -> None:
        if executor.stream is not None or executor.is_shut:
            return
        stream = executor.stream = self._agent.new_stream()
        self._streams[stream] = executor
        call = executor_api.Subscribe(
            executor_id=executor.run.executor_id,
            framework_id=executor.run.framework_id,
            unacknowledged_tasks=tuple(executor.silent.values()),
            unacknowledged_updates=tuple(executor.unacknowledged.values()),
        )
        self._agent.counts["executors subscribed"] += 1
        self._life.turn(ExecutorSubscribed(executor.run, stream, call))

    def _lose(self, executor: SimExecutor) -> None:
        """Sometimes it is back before the agent has noticed."""
        stream, executor.stream = executor.stream, None
        if stream is not None:
            del self._streams[stream]
            self._agent.counts["streams lost"] += 1
            if self._rng.random() < 0.5:
                self._subscribe(executor)
                self._life.turn(StreamLost(executor.run, stream))
            else:
                self._life.turn(StreamLost(executor.run, stream))
                self._after(executor, self._rng.uniform(*SUBSCRIBE_S), self._subscribe)
        self._after(executor, self._rng.expovariate(1 / LOSE_S), self._lose)

    def _closed(self, stream: int) -> None:
        executor = self._streams.pop(stream, None)
        if executor is not None and executor.stream == stream:
            executor.stream = None
            self._after(executor, self._rng.uniform(*SUBSCRIBE_S), self._subscribe)

    def _hear(self, stream: int, event: executor_api.Event) -> None:
        executor = self._streams.get(stream)
        if executor is None or not self._life.is_alive or executor.stream != stream:
            return
        match event:
            case executor_api.LaunchTask(task=task):
                self._launch(executor, task)
            case executor_api.KillTask(task_id=task_id):
                if executor.kind != "deaf" and task_id in executor.live:
                    self._end(executor, task_id, TaskState.KILLED)
            case executor_api.Acknowledged(task_id=task_id, uuid=uuid):
                executor.unacknowledged.pop(uuid, None)
                executor.silent.pop(task_id, None)
            case executor_api.Message(data=data):
                self._say(
                    executor,
                    executor_api.SendMessage(
                        executor_id=executor.run.executor_id,
                        framework_id=executor.run.framework_id,
                        data=data,
                    ),
                )
            case executor_api.Shutdown():
                self._shut_down(executor)
            case _:
                pass

    # --- its tasks ------------------------------------------------------------------

    def _launch(self, executor: SimExecutor, task: TaskInfo) -> None:
        agent, task_id = self._agent, task.task_id
        if task_id in executor.seen:
            agent.judge.failed(f"{agent.name} hands {task_id} to its executor again")
            return
        executor.seen.add(task_id)
        executor.live[task_id] = executor.silent[task_id] = task
        executor.busy += 1
        agent.counts["started"] += 1
        agent.counts["tasks of executors"] += 1
        agent.judge.started(agent.install_name, (executor.run.framework_id, task_id))
        assert task.data is not None
        how, _, duration = task.data.decode().partition(" ")
        self._report(executor, task_id, TaskState.RUNNING)
        if how == "hangs":
            return
        state = TaskState.FAILED if how in ("fail", "broken") else TaskState.FINISHED
        self._after(executor, float(duration), self._end, task_id, state)

    def _end(self, executor: SimExecutor, task_id: TaskId, state: TaskState) -> None:
        if task_id not in executor.live:
            return
        del executor.live[task_id]
        self._report(executor, task_id, state)
        if executor.kind == "tidy":
            self._after(executor, IDLE_S, self._leave, executor.busy)

    def _leave(self, executor: SimExecutor, busy: int) -> None:
        is_idle = not executor.live and executor.busy == busy
        if is_idle and not executor.unacknowledged:
            self._exit(executor, 0, None)

    def _shut_down(self, executor: SimExecutor) -> None:
        if executor.kind == "deaf" or executor.is_shut:
            return
        executor.is_shut = True
        self._agent.counts["executors shut down"] += 1
        if self._rng.random() < 0.7:
            for task_id in list(executor.live):
                self._end(executor, task_id, TaskState.KILLED)
        self._after(executor, 0.1 * self._rng.random(), self._exit, 0, None)

    def _report(self, executor: SimExecutor, task_id: TaskId, state: TaskState) -> None:
        status = TaskStatus(
            task_id=task_id,
            state=state,
            source=Source.EXECUTOR,
            uuid=self._rng.getrandbits(128).to_bytes(16, "big"),
        )
        assert status.uuid is not None
        executor.unacknowledged[status.uuid] = status
        self._say(
            executor,
            executor_api.Update(
                executor_id=executor.run.executor_id,
                framework_id=executor.run.framework_id,
                status=status,
            ),
        )

    def _say(
        self,
        executor: SimExecutor,
        call: executor_api.Update | executor_api.SendMessage,
    ) -> None:
        """Its calls have a connection of their own; it only makes them while it is
        subscribed."""
        if executor.stream is not None:
            self._life.turn(ExecutorCalled(executor.run, call))
