"""One agent's session with this node: what is to be sent, and the two ways.

Effects wait as names of tasks and become messages when the link has room, if they
are still true then. Everything that is due when the writer's turn comes leaves in
one ``send_many``.
"""

from __future__ import annotations

import trio

from raftleader.protocol.agent_rpc import (
    AgentHello,
    FromNode,
    KillOrder,
    KillTasks,
    RunTasks,
    TaskOrder,
    ToExecutor,
    UpdatesCommitted,
    encode,
)
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import ClusterState, Task
from transports.interface import Link

FRAMES_WAITING_MAX = 1_000
"""Frames that wait for one agent. Launches and updates do not count: they wait as
names. What is left are greetings and pings, so this many is an agent that hangs."""
MESSAGE_BYTES_WAITING_MAX = 8 * 1024 * 1024
"""Messages for executors that wait for one agent, together. More are dropped: they
are best effort, and must not cost the agent its session."""
ORDERS_PER_FRAME_MAX = 500
"""Tasks in one RunTasks, so that an agent starts on them before it has read all."""
ORDER_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of task data in one RunTasks; one task alone may be larger."""


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
        runs, kills: Launches and kills not confirmed, and when they were sent last.
        updates_in_flight: Updates that are on their way into the log.
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
        self.updates_in_flight: set[bytes] = set()
        self.scope = trio.CancelScope()
        self.cut_reason: str | None = None
        self.has_said_all = False
        self._frames: list[bytes] = []
        self._message_bytes = 0
        self._committed: list[bytes] = []
        self._runs_due: dict[TaskKey, None] = {}
        self._kills_due: dict[TaskKey, None] = {}
        self._foreign_kills: list[KillOrder] = []
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
        for table in (self.runs, self.kills, self._runs_due, self._kills_due):
            table.clear()
        self._foreign_kills.clear()
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
        ):
            self._wake = trio.Event()
            await self._wake.wait()

    def take_frames(self, state: ClusterState, term: int) -> list[bytes]:
        """Everything that is due and still true, in the order of its kinds."""
        frames, self._frames = self._frames, []
        self._message_bytes = 0
        if self._committed:
            uuids, self._committed = tuple(self._committed), []
            frames.append(encode(UpdatesCommitted(term=term, uuids=uuids)))
            self._room.set()
        if self._runs_due:
            frames.extend(self._run_frames(state, term))
        if self._kills_due or self._foreign_kills:
            orders, self._foreign_kills = self._foreign_kills, []
            for key in self._kills_due:
                task = state.tasks.get(key)
                if task is not None and kill_is_due(task):
                    orders.append(
                        KillOrder(
                            framework_id=key[0],
                            task_id=key[1],
                            grace_ms=task.kill_grace_ms,
                        )
                    )
            self._kills_due.clear()
            if orders:
                frames.append(encode(KillTasks(term=term, orders=tuple(orders))))
        return frames

    def _run_frames(self, state: ClusterState, term: int) -> list[bytes]:
        frames: list[bytes] = []
        orders: list[TaskOrder] = []
        size = 0
        due, self._runs_due = self._runs_due, {}
        for key in due:
            task = state.tasks.get(key)
            framework = state.frameworks.get(key[0])
            if task is None or framework is None or not run_is_due(task):
                continue
            added = len(task.info.data or b"")
            if orders and (
                len(orders) >= ORDERS_PER_FRAME_MAX or size + added > ORDER_BYTES_MAX
            ):
                frames.append(encode(RunTasks(term=term, orders=tuple(orders))))
                orders, size = [], 0
            size += added
            orders.append(
                TaskOrder(
                    framework_id=key[0],
                    framework_name=framework.info.name,
                    task=task.info,
                )
            )
        if orders:
            frames.append(encode(RunTasks(term=term, orders=tuple(orders))))
        return frames


def run_is_due(task: Task | None) -> bool:
    """Whether the agent is to be told to run it: nothing was heard of it yet."""
    return task is not None and task.state is TaskState.STAGING and not task.kill_wanted


def kill_is_due(task: Task | None) -> bool:
    """Whether the agent is to be told to end it."""
    return task is not None and task.kill_wanted and not task.state.is_terminal
