"""One life of an agent of the fast level: the real machine, and scripted processes.

Processes do what their command says: how long they run, and how they end. They die with
their agent, as a restarted agent kills what it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from agent.machine import Machine
from agent.machine.effects import (
    CancelStart,
    CloseSession,
    DropVolumes,
    LinkVolumes,
    Send,
    SetTimer,
    Signal,
    SignalTask,
    StartTask,
    Turn,
)
from agent.machine.events import (
    Event,
    GraceOver,
    MessageArrived,
    ProcessExit,
    ProcessExited,
    ProcessStarted,
    SessionLost,
    SessionOpened,
    StartCancelled,
    StartFailed,
    Tick,
)
from agent.machine.tasks import TaskTable
from agent.records import ExecutorRun, ProcessMark
from agent.recovery import fill_table
from agent.status_updates import TICK_INTERVAL_S
from chaos.sim.fast.executors import Executors
from chaos.sim.fast.moments import Moment
from chaos.sim.fast.network import Connection
from chaos.sim.fast.volumes import volume_names
from raftleader.protocol.agent_rpc import (
    Dismissed,
    KillTasks,
    NodeHello,
    Refused,
    RunTasks,
    StatusUpdates,
    TaskOrder,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.state.outcomes import Refusal

if TYPE_CHECKING:
    from chaos.sim.fast.agent import SimAgent

REDIAL_S, REDIAL_S_MAX = 0.2, 2.0
"""First and longest pause before a dial is repeated; doubled each time."""
START_S = (0.0005, 0.08)
"""Between the order to start a process and its start."""
REGISTRATION_MS, SHUTDOWN_MS = 3_000, 1_000
"""What an executor has to subscribe, and to shut down."""
INSTALL_S = 3.0
"""At most so long after it was told that it is gone an agent is set up anew."""
WALL_MS = 1_700_000_000_000
AGENT = "agent"
"""Kind of a connection."""


@attrs.define(eq=False)
class _Running:
    """A process. ``is_stubborn``: it does not end on TERM."""

    number: int
    exit_code: int
    is_stubborn: bool


class AgentLife:
    """One life of an agent."""

    def __init__(self, agent: SimAgent) -> None:
        self.agent = agent
        self.name = agent.name
        self.is_alive = False
        self.running: dict[TaskKey, _Running] = {}
        self.executors = Executors(self, agent.work_rng)
        self._starting: dict[TaskKey, TaskOrder] = {}
        self._sessions: dict[int, Connection] = {}
        self._numbers: dict[Connection, int] = {}
        self._redial_s: dict[str, float] = {}
        self._count = 0
        self._starts = 0
        self._is_dismissed = False
        self._seen_term = 0

    def begin(self) -> None:
        agent = self.agent
        self.is_alive = True
        found = agent.compact()
        table = TaskTable(self._new_uuid)
        restarted = fill_table(table, found)
        info = AgentInfo(
            hostname=self.name,
            ip="127.0.0.1",
            port=5051,
            resources=parse_resources(agent.resources),
        )
        self.machine = Machine(agent.identity, info, table)
        self.machine.executors.registration_timeout_ms = REGISTRATION_MS
        self.machine.executors.shutdown_grace_ms = SHUTDOWN_MS
        self.turn(restarted)
        for node in agent.nodes:
            self._dial(node)
        agent.agenda.after(TICK_INTERVAL_S * agent.rng.random(), self._tick)

    # --- sessions -------------------------------------------------------------------

    def _dial(self, node: str) -> None:
        if self.is_alive:
            self.agent.network.dial(self, node, AGENT, done=self._dialled(node))

    def _dialled(self, node: str) -> Callable[[Connection | None], None]:
        def done(connection: Connection | None) -> None:
            if connection is None:
                self._dial_later(node)
                return
            self._redial_s.pop(node, None)
            self._count += 1
            self._sessions[self._count] = connection
            self._numbers[connection] = self._count
            self.turn(SessionOpened(self._count))

        return done

    def _dial_later(self, node: str) -> None:
        agent = self.agent
        longest_s = self._redial_s.get(node, REDIAL_S)
        self._redial_s[node] = min(2 * longest_s, REDIAL_S_MAX)
        delay_s = agent.rng.uniform(0.25, 1.0) * longest_s
        agent.agenda.after(delay_s, self._dial, node)

    def opened(self, connection: Connection) -> None:
        raise AssertionError("nobody dials an agent")

    def received(self, connection: Connection, message: object) -> None:
        number = self._numbers.get(connection)
        if number is None:
            return
        if isinstance(message, Refused):
            self.agent.judge.failed(f"{self.name} was refused: {message.problem}")
            self._close(number)
            return
        self._take(number, message)
        agent = self.agent
        if (
            agent.fault_copies
            and isinstance(message, RunTasks | KillTasks)
            and agent.rng.random() < agent.fault_copies
        ):
            agent.copied()
            delay_s = 6.0 * agent.rng.random() ** 2
            agent.agenda.after(delay_s, self._take_copy, number, message)

    def _dismissed(self, problem: str) -> None:
        """The machine has closed the session. One that is gone is set up anew."""
        agent = self.agent
        if not agent.may_be_refused:
            agent.judge.failed(f"{self.name} was dismissed: {problem}")
        elif problem == Refusal.AGENT_GONE.value and not self._is_dismissed:
            self._is_dismissed = True
            agent.agenda.after(INSTALL_S * agent.work_rng.random(), self._install)

    def _install(self) -> None:
        if self.agent.life is self:
            self.agent.install()

    def _take_copy(self, number: int, message: object) -> None:
        if self.is_alive and number in self._sessions:
            self._take(number, message)

    def _take(self, number: int, message: object) -> None:
        # Not what the machine remembers: that is what is judged.
        before = self._seen_term = max(self._seen_term, self.machine.term)
        turn = self.turn(MessageArrived(number, message))  # type: ignore[arg-type]
        term = getattr(message, "term", None)
        if term is not None and not isinstance(message, NodeHello | Dismissed):
            effects = [type(one).__name__ for one in turn.effects if _acts(one)]
            if self.machine.term < before:
                effects.append("it follows")
            self.agent.judge.ordered(self.name, term, before, effects)
        if isinstance(message, Dismissed) and message.term >= before:
            self._dismissed(message.problem)

    def closed(self, connection: Connection) -> None:
        number = self._numbers.pop(connection, None)
        if number is not None:
            del self._sessions[number]
            self.turn(SessionLost(number))
            self._dial_later(connection.sides[1].name)

    def _close(self, number: int) -> None:
        connection = self._sessions.pop(number, None)
        if connection is not None:
            del self._numbers[connection]
            self.agent.network.close(connection, 0)
            self.agent.agenda.after(0.0, self._lost, number)
            self._dial_later(connection.sides[1].name)

    def _lost(self, number: int) -> None:
        if self.is_alive:
            self.turn(SessionLost(number))

    # --- turns ----------------------------------------------------------------------

    def _tick(self) -> None:
        if not self.is_alive:
            return
        machine = self.machine
        if machine.is_waiting:
            self.turn(Tick())  # else it changes nothing, and they are many
        self.agent.agenda.after(TICK_INTERVAL_S, self._tick)

    def turn(self, event: Event) -> Turn:
        """One event; its records are on the disk before its effects."""
        agent = self.agent
        now_ms = WALL_MS + int(agent.agenda.now_s * 1000)
        turn = self.machine.turn((event,), now_ms)
        if turn.identity is not None:
            agent.identity = turn.identity
        if turn.records:
            agent.write(turn.records, is_synced=turn.is_sync_needed)
        if agent.dies_at is not None and self._dies_of(turn):
            agent.crash()
            return turn
        for effect in turn.effects:
            match effect:
                case Send(session, message):
                    connection = self._sessions.get(session)
                    if connection is not None:
                        agent.network.send(connection, 0, message)
                case StartTask(order, _):
                    key = (order.framework_id, order.task.task_id)
                    self._starting[key] = order
                    self._use(order.task.resources)
                    agent.agenda.after(
                        agent.rng.uniform(*START_S), self._start, key, order
                    )
                case CancelStart(key) if not isinstance(key, ExecutorRun):
                    if self._starting.pop(key, None) is not None:
                        agent.agenda.after(0.0, self.event, StartCancelled(key))
                case SignalTask(key, signal) if not isinstance(key, ExecutorRun):
                    self._signal(key, signal)
                case SetTimer(key, after_ms):
                    agent.agenda.after(after_ms / 1000, self.event, GraceOver(key))
                case CloseSession(session, _, _):
                    self._close(session)
                case LinkVolumes(_, resources):
                    self._use(resources)
                case DropVolumes(kept):
                    dropped = agent.volumes.difference(kept)
                    agent.volumes -= dropped
                    agent.judge.dropped(agent, dropped)
                case _:
                    self.executors.perform(effect)
        return turn

    def _dies_of(self, turn: Turn) -> bool:
        """Whether its moment has come, after the records and before the effects."""
        agent = self.agent
        starts = [one for one in turn.effects if isinstance(one, StartTask)]
        if starts and agent.comes_to(Moment.ORDERED):
            return True
        if starts and agent.comes_to(Moment.LAUNCHED):
            order = starts[0].order
            if _how(order)[0] != "broken":
                key = (order.framework_id, order.task.task_id)
                agent.judge.started(agent.install_name, key)
            return True
        is_news = any(
            isinstance(one, Send) and isinstance(one.message, StatusUpdates)
            for one in turn.effects
        )
        return is_news and agent.comes_to(Moment.REPORTED)

    def _use(self, resources: Resources) -> None:
        """The folders of these volumes are made, if they are not there."""
        for name in volume_names(resources):
            self.agent.volumes.add(name)
            self.agent.counts["volumes used"] += 1

    def event(self, event: Event) -> None:
        """Handle it, if it is not too late."""
        if self.is_alive:
            self.turn(event)

    # --- processes ------------------------------------------------------------------

    def _start(self, key: TaskKey, order: TaskOrder) -> None:
        if not self.is_alive or self._starting.get(key) is not order:
            return
        del self._starting[key]
        agent = self.agent
        how, duration = _how(order)
        if how == "broken":
            self.turn(StartFailed(key, "no such program"))
            return
        self._starts += 1
        agent.counts["started"] += 1
        agent.judge.started(agent.install_name, key)
        running = _Running(self._starts, 1 if how == "fail" else 0, how == "stubborn")
        self.running[key] = running
        agent.agenda.after(duration, self._exit, key, running, None)
        mark = ProcessMark(pid=self._starts, start_ticks=1, boot_id="b")
        self.turn(ProcessStarted(key, mark))

    def _signal(self, key: TaskKey, signal: Signal) -> None:
        running = self.running.get(key)
        if running is not None and (signal is Signal.KILL or not running.is_stubborn):
            delay_s = 0.01 * self.agent.rng.random()
            self.agent.agenda.after(delay_s, self._exit, key, running, signal.value)

    def _exit(self, key: TaskKey, running: _Running, signal: str | None) -> None:
        if self.is_alive and self.running.get(key) is running:
            del self.running[key]
            code = running.exit_code if signal is None else None
            self.turn(ProcessExited(key, ProcessExit(code=code, signal=signal)))

    def _new_uuid(self) -> bytes:
        return self.agent.rng.getrandbits(128).to_bytes(16, "big")


def _acts(effect: object) -> bool:
    return isinstance(effect, StartTask | SignalTask | CancelStart)


def _how(order: TaskOrder) -> tuple[str, float]:
    """How its process ends, and after how many seconds."""
    assert order.task.command is not None and order.task.command.value is not None
    how, _, duration = order.task.command.value.partition(" ")
    return how, float(duration)
