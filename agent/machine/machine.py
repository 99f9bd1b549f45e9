"""The agent's sessions and the fence between terms; tasks are in ``tasks.py``,
executors in ``executors.py``. Pure.

At most one session is the leading one: of the highest term that any leader has
shown. What comes with a lower term is ignored; only the leading session, once it
has registered the agent, is told about tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import attrs

from agent.machine import executor_calls, watching
from agent.machine.effects import CloseSession, DropVolumes, Send, Turn
from agent.machine.events import (
    AgentRestarted,
    CheckReported,
    CompletionOver,
    Event,
    ExecutorCalled,
    ExecutorSubscribed,
    GraceOver,
    HealthReported,
    MessageArrived,
    ProcessEvent,
    ProcessExited,
    ProcessStarted,
    RegistrationOver,
    SessionLost,
    SessionOpened,
    StartCancelled,
    StartFailed,
    StopOrdered,
    StreamLost,
    Tick,
)
from agent.machine.executors import ExecutorTable
from agent.machine.launches import run_orders
from agent.machine.statuses import network_of
from agent.machine.tasks import TaskTable
from agent.records import ExecutorRun, Identity
from agent.status_updates import TICK_INTERVAL_S
from raftleader.protocol.agent_rpc import (
    PROTOCOL_VERSION,
    AgentHello,
    Dismissed,
    ExecutorReports,
    FromAgent,
    FromNode,
    KeepVolumes,
    KillTasks,
    NodeHello,
    Registered,
    RunTasks,
    ShutdownExecutors,
    TaskDigest,
    TaskList,
    TaskListWanted,
    ToExecutor,
    UpdatesCommitted,
    digest_of_executors,
    digest_of_tasks,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import TaskKey

REGISTRATION_TICKS_MAX = int(30.0 / TICK_INTERVAL_S)
"""A session that leads but does not register us for so long has lost a frame, or
its leader cannot commit: it is opened anew."""

_LOST_STARTED = (
    "the agent died while the task was running; on its return it killed what was"
    " left of the task"
)
_LOST_TAKEN = (
    "the agent died while it was starting the task; whether it ran is not known,"
    " and it is not started again"
)

_LOST_EXECUTOR = "the agent died; on its return it killed what was left of the executor"
_STOPPED = "its agent was stopped"


@attrs.define
class Session:
    """A link to one leader node."""

    node_id: str | None = None
    cluster_id: str = ""
    is_registered: bool = False
    ticks_unregistered: int = 0


@attrs.define
class Machine:
    """Decides for one agent. ``tasks`` holds what was recovered from disk.

    Attributes:
        identity: Who the agent is, as on disk.
        info: The machine, as announced to leaders.
        term: The highest term a leader has shown since this process began.
        leading: The session of that leader, if it is up.
    """

    identity: Identity
    info: AgentInfo
    tasks: TaskTable
    executors: ExecutorTable = attrs.field()
    sessions: dict[int, Session] = attrs.field(factory=dict, init=False)
    term: int = attrs.field(default=0, init=False)
    leading: int | None = attrs.field(default=None, init=False)
    is_stopping: bool = attrs.field(default=False, init=False)
    fenced_count: int = attrs.field(default=0, init=False)
    _turn: Turn = attrs.field(factory=Turn, init=False)

    @executors.default
    def _make_executors(self) -> ExecutorTable:
        return ExecutorTable(self.tasks)

    def __attrs_post_init__(self) -> None:
        self.tasks.watcher = self.executors

    def turn(self, events: Iterable[Event], now_ms: int) -> Turn:
        """Handle events in order and say what is to be done.

        ``now_ms`` is wall time; it only dates updates. The caller must carry out
        the whole turn, records first, before the next one.
        """
        self._turn = self.tasks.turn = Turn()
        self.tasks.now_ms = now_ms
        self.tasks.agent_id = self.identity.agent_id
        self.tasks.network = network_of(self.info.ip)
        for event in events:
            self._handle(event)
        executors = self.executors
        if self.is_registered:
            assert self.leading is not None
            for updates in self.tasks.updates.take_ready():
                self._send(self.leading, updates)
            reports = executors.reports.take_ready()
            if reports:
                self._send(self.leading, ExecutorReports(reports=reports))
            for message in executors.messages:
                self._send(self.leading, message)
        executors.messages.clear()
        return self._turn

    @property
    def is_waiting(self) -> bool:
        """Whether a Tick may change anything."""
        pending = self.tasks.updates.pending_count
        return bool(pending or self.executors.reports.pending_count) or (
            not self.is_registered
        )

    @property
    def is_registered(self) -> bool:
        """Whether there is a leader that hears our updates."""
        return self.leading is not None and self.sessions[self.leading].is_registered

    def _handle(self, event: Event) -> None:
        tasks, executors = self.tasks, self.executors
        match event:
            case MessageArrived(number, message):
                self._on_message(number, message)
            case (
                ProcessStarted()
                | ProcessExited()
                | StartFailed()
                | StartCancelled()
                | GraceOver()
            ):
                if isinstance(event.key, ExecutorRun):
                    self._on_executor_process(event, event.key)
                else:
                    self._on_task_process(event, event.key)
            case Tick():
                self._on_tick()
            case SessionOpened(number):
                self._on_opened(number)
            case SessionLost(number):
                self._forget(number)
            case AgentRestarted():
                self._on_restart(event)
            case StopOrdered():
                self.is_stopping = True
                tasks.kill_all(_STOPPED)
                executors.end_all(_STOPPED)
            case _:
                self._handle_of_executors(event)

    def _on_task_process(self, event: ProcessEvent, key: TaskKey) -> None:
        tasks = self.tasks
        match event:
            case ProcessStarted(_, mark):
                tasks.started(key, mark)
            case ProcessExited(_, how, data):
                tasks.exited(key, how, data)
            case StartFailed(_, problem):
                tasks.start_failed(key, problem)
            case StartCancelled():
                tasks.start_cancelled(key)
            case GraceOver():
                tasks.grace_over(key)

    def _on_executor_process(self, event: ProcessEvent, run: ExecutorRun) -> None:
        executors = self.executors
        match event:
            case ProcessStarted(_, mark):
                executors.started(run, mark)
            case ProcessExited(_, how):
                executors.exited(run, how)
            case StartFailed(_, problem):
                executors.start_failed(run, problem)
            case StartCancelled():
                executors.start_cancelled(run)
            case GraceOver():
                executors.grace_over(run)

    def _handle_of_executors(
        self,
        event: RegistrationOver
        | CompletionOver
        | HealthReported
        | CheckReported
        | ExecutorSubscribed
        | ExecutorCalled
        | StreamLost,
    ) -> None:
        executors = self.executors
        match event:
            case ExecutorSubscribed(run, stream, subscribe):
                executor_calls.subscribed(executors, run, stream, subscribe, self.info)
            case ExecutorCalled(run, call):
                executor_calls.said(executors, run, call)
            case StreamLost(run, stream):
                executor_calls.stream_lost(executors, run, stream)
            case RegistrationOver(run):
                executors.registration_over(run)
            case CompletionOver(key):
                watching.completion_over(self.tasks, key)
            case HealthReported(key, is_healthy, is_fatal):
                watching.health_reported(
                    self.tasks, key, is_healthy=is_healthy, is_fatal=is_fatal
                )
            case CheckReported(key, status):
                watching.check_reported(self.tasks, key, status)
            case _:
                assert_never(event)

    def _on_restart(self, event: AgentRestarted) -> None:
        lost = self.tasks.lost_at_restart
        lost(event.started, event.executors, _LOST_STARTED)
        lost(event.taken, event.executors, _LOST_TAKEN)
        self.executors.restored(event, _LOST_EXECUTOR)

    def _on_opened(self, number: int) -> None:
        self.sessions[number] = Session()
        self._introduce(number)

    def _introduce(self, number: int) -> None:
        hello = AgentHello(
            cluster_id=self.identity.cluster_id,
            key=self.identity.key,
            info=self.info,
            agent_id=self.identity.agent_id,
        )
        self._send(number, hello)

    def _on_message(self, number: int, message: FromNode) -> None:
        session = self.sessions.get(number)
        if session is None:
            return  # it was closed, and this was on its way
        if isinstance(message, NodeHello):
            self._on_hello(number, session, message)
        elif session.node_id is not None:
            self._on_leader_message(number, session, message)

    def _on_hello(self, number: int, session: Session, hello: NodeHello) -> None:
        own = self.identity.cluster_id
        if hello.protocol != PROTOCOL_VERSION:
            self._close(
                number,
                f"leader node {hello.node_id} speaks protocol {hello.protocol},"
                f" this agent {PROTOCOL_VERSION}",
                is_refusal=True,
            )
        elif own and hello.cluster_id not in ("", own):
            self._close(
                number,
                f"leader node {hello.node_id} is of cluster {hello.cluster_id!r},"
                f" this agent of {own!r}",
                is_refusal=True,
            )
        else:
            session.node_id, session.cluster_id = hello.node_id, hello.cluster_id
            if hello.leading and self._is_fenced(session, hello.term):
                self.fenced_count += 1
            elif hello.leading:
                self._follow(number, hello.term)
            elif self.leading == number:
                self.leading = None

    def _on_leader_message(
        self, number: int, session: Session, message: FromNode
    ) -> None:
        term = getattr(message, "term", None)
        if term is None or self._is_fenced(session, term):
            self.fenced_count += 1
            return
        self._follow(number, term)
        match message:
            case Registered():
                self._on_registered(number, session, message)
            case TaskListWanted():
                held = TaskList(
                    tasks=self.tasks.list_held(), executors=self.executors.list_held()
                )
                self._send(number, held)
            case RunTasks() if not self.is_stopping:
                run_orders(self.executors, message.orders)
            case KillTasks():
                for kill in message.orders:
                    self.tasks.kill(kill)
            case ShutdownExecutors():
                for order in message.orders:
                    self.executors.shut_down(order)
            case KeepVolumes():
                self._turn.effects.append(DropVolumes(message.volumes))
            case ToExecutor():
                executor_calls.told(self.executors, message)
            case Dismissed():
                self._on_dismissed(number, message)
            case UpdatesCommitted():
                for uuid in message.uuids:
                    if not self.tasks.committed(uuid):
                        self.executors.committed(uuid)

    def _on_dismissed(self, number: int, message: Dismissed) -> None:
        """Nothing may run on here: its frameworks were told that it ended."""
        self.tasks.kill_all(message.problem)
        self.executors.end_all(message.problem)
        close = CloseSession(number, message.problem, is_refusal=True, is_ordered=True)
        self._turn.effects.append(close)
        self._forget(number)

    def _is_fenced(self, session: Session, term: int) -> bool:
        """Whether a leader may not speak: an old term, or a node that has not yet
        read in its log which cluster it is of."""
        return term < self.term or not session.cluster_id

    def _on_registered(
        self, number: int, session: Session, message: Registered
    ) -> None:
        known = self.identity
        if (known.agent_id, known.cluster_id) != (
            message.agent_id,
            session.cluster_id,
        ):
            self.identity = Identity(
                key=known.key,
                agent_id=message.agent_id,
                cluster_id=session.cluster_id,
            )
            self._turn.identity = self.identity
            self.tasks.agent_id = message.agent_id
            # Who leads next must not take us for an agent that was never here: the
            # id may be void by then.
            for other in self.sessions:
                if other != number:
                    self._introduce(other)
        session.is_registered = True
        digest = TaskDigest(
            digest=digest_of_tasks(list(self.tasks.held)),
            executors=digest_of_executors(list(self.executors.rows)),
        )
        self._send(number, digest)
        self.tasks.updates.send_everything_again()
        self.executors.reports.send_everything_again()

    def _follow(self, number: int, term: int) -> None:
        """A leader of this term, none lower than ours, speaks in this session."""
        if term > self.term or self.leading != number:
            session = self.sessions[number]
            session.is_registered, session.ticks_unregistered = False, 0
        self.term, self.leading = term, number

    def _on_tick(self) -> None:
        self.tasks.updates.tick()
        self.executors.reports.tick()
        if self.leading is None or self.is_registered:
            return
        session = self.sessions[self.leading]
        session.ticks_unregistered += 1
        if session.ticks_unregistered >= REGISTRATION_TICKS_MAX:
            problem = "this leader has not registered us in time"
            self._close(self.leading, problem, is_refusal=False)

    def _send(self, number: int, message: FromAgent) -> None:
        self._turn.effects.append(Send(number, message))

    def _close(self, number: int, problem: str, *, is_refusal: bool) -> None:
        self._turn.effects.append(CloseSession(number, problem, is_refusal))
        self._forget(number)

    def _forget(self, number: int) -> None:
        self.sessions.pop(number, None)
        if self.leading == number:
            self.leading = None
