"""One agent's session with this node: what is to be sent, and the two ways.

Effects wait as names of tasks and become messages when the link has room, if they
are still true then. Everything that is due when the writer's turn comes leaves in
one ``send_many``.
"""

from __future__ import annotations

import math

import trio

from raftleader.leader.agent_frames import (
    kill_orders,
    run_messages,
    shutdown_orders,
    volumes_message,
)
from raftleader.protocol.agent_rpc import (
    AgentHello,
    ExecutorOrder,
    FromNode,
    KillOrder,
    KillTasks,
    ShutdownExecutors,
    ToExecutor,
    UpdatesCommitted,
    encode,
)
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId, TaskKey
from raftleader.protocol.resources import Resources
from raftleader.state.cluster import ClusterState, ExecutorKey
from transports.interface import Link

FRAMES_WAITING_MAX = 1_000
"""Frames that wait for one agent. Launches and updates do not count: they wait as
names. What is left are greetings and pings, so this many is an agent that hangs."""
MESSAGE_BYTES_WAITING_MAX = 8 * 1024 * 1024
"""Messages for executors that wait for one agent, together. More are dropped: they
are best effort, and must not cost the agent its session."""


class AgentSession:
    """What one agent's link is used for; owned by ``AgentSessions``.

    Attributes:
        hello: What the agent said of itself last.
        last_heard_s: When a frame of its came last, on trio's clock.
        told_term: The term we lead, as it was told last; 0 for a standby, None if
            it was told nothing yet.
        agent_id: Its id, once it is registered in that term.
        registered_s: When it was told so last.
        is_in_sync: It has shown since that its tasks are those of the log.
        is_registering: A RegisterAgent of its is on its way into the log.
        runs, kills, shutdowns: Launches, kills and ends of executors not confirmed,
            and when they were sent last.
        volumes_told: What was made of the agent when its volumes were sent last.
        updates_in_flight: Updates and reports that are on their way into the log.
        untaken_s: When we last had no room for updates of its.
        scope: Cancelled to end the session; see ``cut``.
        cut_reason: Why we ended it, or None.
        has_said_all: The session ends when what is queued has left.
    """

    def __init__(self, hello: AgentHello, link: Link) -> None:
        self.hello = hello
        self.link = link
        self.last_heard_s = trio.current_time()
        self.told_term: int | None = None
        self.agent_id: AgentId | None = None
        self.registered_s = 0.0
        self.is_in_sync = False
        self.is_registering = False
        self.runs: dict[TaskKey, float] = {}
        self.kills: dict[TaskKey, float] = {}
        self.shutdowns: dict[ExecutorKey, float] = {}
        self.volumes_told: Resources | None = None
        self.updates_in_flight: set[bytes] = set()
        self.untaken_s = -math.inf
        self.scope = trio.CancelScope()
        self.cut_reason: str | None = None
        self.has_said_all = False
        self._frames: list[bytes] = []
        self._message_bytes = 0
        self._committed: list[bytes] = []
        self._runs_due: dict[TaskKey, None] = {}
        self._kills_due: dict[TaskKey, None] = {}
        self._shutdowns_due: dict[ExecutorKey, None] = {}
        self._foreign_kills: list[KillOrder] = []
        self._foreign_shutdowns: list[ExecutorOrder] = []
        self._are_volumes_due = False
        self._wake = trio.Event()
        self._room = trio.Event()

    def cut(self, reason: str) -> None:
        """End the session; the agent will dial again. Idempotent."""
        if self.cut_reason is None:
            self.cut_reason = reason
            self.scope.cancel()

    def send(self, message: FromNode) -> None:
        """Queue one message; cuts the session when too many wait."""
        self.send_frame(encode(message))

    def send_last(self, message: FromNode) -> None:
        """Queue one message, and end the session when it has left."""
        self.send(message)
        self.has_said_all = True

    def send_frame(self, frame: bytes) -> None:
        """As :meth:`send`, for a message that was encoded once for many."""
        if len(self._frames) >= FRAMES_WAITING_MAX:
            self.cut("slow")
            return
        self._frames.append(frame)
        self._wake.set()

    def send_message(self, message: ToExecutor) -> bool:
        """Queue a message for an executor, if there is room; whether there was."""
        frame = encode(message)
        waiting = self._message_bytes + len(frame)
        if self._message_bytes and waiting > MESSAGE_BYTES_WAITING_MAX:
            return False
        if len(self._frames) >= FRAMES_WAITING_MAX // 2:
            return False
        self._message_bytes = waiting
        self.send_frame(frame)
        return True

    def send_run(self, key: TaskKey, now_s: float) -> None:
        """Queue the launch of this task, from the state as it will be then."""
        self.runs[key] = now_s
        self._runs_due[key] = None
        self._wake.set()

    def send_kill(self, key: TaskKey, now_s: float) -> None:
        """Queue the kill that the log wants."""
        self.kills[key] = now_s
        self._kills_due[key] = None
        self._wake.set()

    def send_foreign_kill(self, framework_id: FrameworkId, task_id: TaskId) -> None:
        """Queue the kill of a task that the log does not know, or thinks ended."""
        self._foreign_kills.append(
            KillOrder(framework_id=framework_id, task_id=task_id)
        )
        self._wake.set()

    def send_shutdown(self, key: ExecutorKey, now_s: float) -> None:
        """Queue the end of an executor that the log wants."""
        self.shutdowns[key] = now_s
        self._shutdowns_due[key] = None
        self._wake.set()

    def send_foreign_shutdown(
        self, framework_id: FrameworkId, executor_id: str
    ) -> None:
        """Queue the end of an executor that the log does not know."""
        self._foreign_shutdowns.append(
            ExecutorOrder(framework_id=framework_id, executor_id=executor_id)
        )
        self._wake.set()

    def send_volumes(self, dynamic: Resources) -> None:
        """Queue the list of its volumes, which are part of ``dynamic``."""
        self.volumes_told = dynamic
        self._are_volumes_due = True
        self._wake.set()

    def confirm(self, uuids: list[bytes]) -> None:
        """These updates are in the log (or concern nothing it knows)."""
        self._committed.extend(uuids)
        self._wake.set()

    def settle_updates(self, uuids: list[bytes]) -> None:
        """These are no longer on their way; makes room for more."""
        self.updates_in_flight.difference_update(uuids)
        self._room.set()

    async def wait_room(self, updates_max: int) -> None:
        """Return when fewer updates than that are unsettled or not yet confirmed."""
        while len(self.updates_in_flight) + len(self._committed) >= updates_max:
            self._room = trio.Event()
            await self._room.wait()

    def forget_term(self) -> None:
        """What was due in an earlier term is derived again in the next."""
        self.agent_id = None
        self.is_in_sync = False
        self.is_registering = False
        self.volumes_told = None
        self._are_volumes_due = False
        self.runs.clear()
        self.kills.clear()
        self.shutdowns.clear()
        self._runs_due.clear()
        self._kills_due.clear()
        self._shutdowns_due.clear()
        self._foreign_kills.clear()
        self._foreign_shutdowns.clear()
        self._committed.clear()
        self.updates_in_flight = set()
        self._room.set()

    async def wait_due(self) -> None:
        """Return when something is to be sent. Cancel-safe."""
        while not (
            self._frames
            or self._committed
            or self._runs_due
            or self._kills_due
            or self._foreign_kills
            or self._shutdowns_due
            or self._foreign_shutdowns
            or self._are_volumes_due
        ):
            self._wake = trio.Event()
            await self._wake.wait()

    def take_frames(self, state: ClusterState, term: int) -> list[bytes]:
        """Everything that is due and still true, in the order of its kinds.

        Volumes before launches: an agent makes no volume that it was not told of.
        """
        frames, self._frames = self._frames, []
        self._message_bytes = 0
        messages: list[FromNode] = []
        if self._committed:
            uuids, self._committed = tuple(self._committed), []
            messages.append(UpdatesCommitted(term=term, uuids=uuids))
            self._room.set()
        if self._are_volumes_due:
            self._are_volumes_due = False
            if self.agent_id is not None and self.agent_id in state.agents:
                messages.append(volumes_message(state, self.agent_id, term=term))
        if self._runs_due:
            runs, self._runs_due = self._runs_due, {}
            messages.extend(run_messages(state, runs, term=term))
        if self._kills_due or self._foreign_kills:
            kills, self._foreign_kills = self._foreign_kills, []
            kills += kill_orders(state, self._kills_due)
            self._kills_due.clear()
            if kills:
                messages.append(KillTasks(term=term, orders=tuple(kills)))
        if self._shutdowns_due or self._foreign_shutdowns:
            ends, self._foreign_shutdowns = self._foreign_shutdowns, []
            ends += shutdown_orders(state, self._shutdowns_due)
            self._shutdowns_due.clear()
            if ends:
                messages.append(ShutdownExecutors(term=term, orders=tuple(ends)))
        return frames + [encode(message) for message in messages]
