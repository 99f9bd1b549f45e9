"""What a leader node and an agent say to each other, one frame a message.

The agent dials every leader node and keeps one session to each. It opens with
AgentHello; the node answers NodeHello (or Refused, and closes). From then on:

* a node that leads registers the agent (a command in the log) and answers
  Registered; the agent sends its TaskDigest; only if that differs from the log
  is the list asked for (TaskListWanted, TaskList);
* RunTasks and KillTasks are repeated by the leader until a status update shows
  that they arrived; the agent answers a repeated one from memory;
* StatusUpdates and ExecutorReports are repeated by the agent until UpdatesCommitted
  names them: from then on they are in the log, and delivering them is the leader's
  duty;
* KeepVolumes tells the agent which persistent volumes there are, after Registered and
  after each change: it deletes all others;
* messages between schedulers and executors are passed on once, or lost.

Everything a leader sends carries its term. An agent remembers the highest term it
has seen and ignores what comes from a lower one (promise P8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import TaskInfo, TaskState, TaskStatus

PROTOCOL_VERSION = 2


class AgentHello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """An agent introduces itself.

    Attributes:
        cluster_id: The cluster it belongs to, or "" if it has never joined one.
        key: Random name the agent gave itself at its first start, kept on disk:
            registration is idempotent by it.
        agent_id: The id it was given, once it has one.
    """

    cluster_id: str
    key: str
    info: AgentInfo
    agent_id: AgentId | None = None
    protocol: int = PROTOCOL_VERSION


class NodeHello(msgspec.Struct, frozen=True, kw_only=True, tag="node"):
    """A leader node introduces itself; sent again whenever its role changes."""

    cluster_id: str
    node_id: str
    term: int
    leading: bool
    protocol: int = PROTOCOL_VERSION


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """No session: another cluster, another protocol. A person must look."""

    problem: str


class Registered(msgspec.Struct, frozen=True, kw_only=True, tag="registered"):
    """The agent is in the log under this id."""

    term: int
    agent_id: AgentId


class Dismissed(msgspec.Struct, frozen=True, kw_only=True, tag="dismissed"):
    """An operator declared the agent gone, or its machine down: it ends everything it
    runs. The session ends after this; the agent may try again, seldom."""

    term: int
    problem: str


class TaskDigest(msgspec.Struct, frozen=True, kw_only=True, tag="digest"):
    """What the agent holds, as two digests.

    Attributes:
        digest: ``digest_of_tasks`` over its tasks whose end is not committed.
        executors: ``digest_of_executors`` over its executors likewise.
    """

    digest: bytes
    executors: bytes = b""


class TaskListWanted(msgspec.Struct, frozen=True, kw_only=True, tag="want-list"):
    """The digests differ: send the list."""

    term: int


class HeldTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task the agent knows. ``state`` is the newest it has reported or will."""

    framework_id: FrameworkId
    task_id: TaskId
    state: TaskState


class HeldExecutor(msgspec.Struct, frozen=True, kw_only=True):
    """An executor the agent has started, or is about to."""

    framework_id: FrameworkId
    executor_id: str


class TaskList(msgspec.Struct, frozen=True, kw_only=True, tag="list"):
    """All tasks and executors whose end has not been committed."""

    tasks: tuple[HeldTask, ...]
    executors: tuple[HeldExecutor, ...] = ()


class TaskOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One task to run, and for whom.

    Attributes:
        framework: For the executor that runs it; None for a command task.
        role: Whose resources it uses.
        group: Ids of all tasks of its group, itself among them; empty if it is of
            none. They come in one RunTasks.
    """

    framework_id: FrameworkId
    framework_name: str
    task: TaskInfo
    framework: FrameworkInfo | None = None
    role: str = "*"
    group: tuple[TaskId, ...] = ()


class RunTasks(msgspec.Struct, frozen=True, kw_only=True, tag="run"):
    """Start these tasks, each at most once in the life of the agent."""

    term: int
    orders: tuple[TaskOrder, ...]


class KillOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One task to end; None is the task's own grace."""

    framework_id: FrameworkId
    task_id: TaskId
    grace_ms: int | None = None


class KillTasks(msgspec.Struct, frozen=True, kw_only=True, tag="kill"):
    """End these tasks. One that never came is then never started."""

    term: int
    orders: tuple[KillOrder, ...]


class ExecutorOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One executor to end, its tasks with it."""

    framework_id: FrameworkId
    executor_id: str


class ShutdownExecutors(msgspec.Struct, frozen=True, kw_only=True, tag="shutdown"):
    """End these executors. One that is not there is answered with its end."""

    term: int
    orders: tuple[ExecutorOrder, ...]


class VolumeName(msgspec.Struct, frozen=True, kw_only=True):
    """A persistent volume of the agent."""

    role: str
    id: str


class KeepVolumes(msgspec.Struct, frozen=True, kw_only=True, tag="volumes"):
    """All persistent volumes of the agent. What else it has is to be deleted.

    Sent before any RunTasks that uses a volume made since the last one.
    """

    term: int
    volumes: tuple[VolumeName, ...]


class ToExecutor(msgspec.Struct, frozen=True, kw_only=True, tag="to-executor"):
    """A scheduler's message for an executor; best effort."""

    term: int
    framework_id: FrameworkId
    executor_id: str
    data: bytes


class FromExecutor(msgspec.Struct, frozen=True, kw_only=True, tag="from-executor"):
    """An executor's message for its scheduler; best effort."""

    framework_id: FrameworkId
    executor_id: str
    data: bytes


class ExecutorReport(msgspec.Struct, frozen=True, kw_only=True):
    """An executor has ended; ``status`` as of waitpid. Repeated until committed."""

    framework_id: FrameworkId
    executor_id: str
    uuid: bytes
    status: int
    message: str = ""


class ExecutorReports(msgspec.Struct, frozen=True, kw_only=True, tag="executors"):
    """Ends of executors. They come after the ends of their tasks."""

    reports: tuple[ExecutorReport, ...]


class AgentUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A status update on its way into the log; its status has a uuid."""

    framework_id: FrameworkId
    status: TaskStatus


class StatusUpdates(msgspec.Struct, frozen=True, kw_only=True, tag="updates"):
    """News of tasks, in order for each task."""

    updates: tuple[AgentUpdate, ...]


class UpdatesCommitted(msgspec.Struct, frozen=True, kw_only=True, tag="committed"):
    """These updates are in the log (or concern tasks it no longer knows)."""

    term: int
    uuids: tuple[bytes, ...]


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag="ping"):
    """Are you there?"""

    number: int


class Pong(msgspec.Struct, frozen=True, kw_only=True, tag="pong"):
    """Yes."""

    number: int


FromAgent = (
    AgentHello
    | TaskDigest
    | TaskList
    | StatusUpdates
    | ExecutorReports
    | FromExecutor
    | Pong
)
FromNode = (
    NodeHello
    | Refused
    | Dismissed
    | Registered
    | TaskListWanted
    | RunTasks
    | KillTasks
    | ShutdownExecutors
    | KeepVolumes
    | ToExecutor
    | UpdatesCommitted
    | Ping
)

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, MemoryError)
"""A field that we do not know may nest as deep as its sender likes."""
_encoder = msgspec.msgpack.Encoder()
_from_agent: msgspec.msgpack.Decoder[FromAgent] = msgspec.msgpack.Decoder(FromAgent)
_from_node: msgspec.msgpack.Decoder[FromNode] = msgspec.msgpack.Decoder(FromNode)


def encode(message: FromAgent | FromNode) -> bytes:
    """The message as one frame."""
    return _encoder.encode(message)


def decode_from_agent(frame: bytes) -> FromAgent:
    """Read what an agent sent. Raises InvalidInputError that names the field."""
    try:
        return _from_agent.decode(frame)
    except _UNREADABLE as error:
        raise InvalidInputError("agent frame", str(error)) from error


def decode_from_node(frame: bytes) -> FromNode:
    """Read what a leader node sent. Raises InvalidInputError."""
    try:
        return _from_node.decode(frame)
    except _UNREADABLE as error:
        raise InvalidInputError("node frame", str(error)) from error


def digest_of_tasks(keys: list[TaskKey]) -> bytes:
    """16 bytes that are equal exactly when the sets of tasks are.

    Over tasks the agent has confirmed and whose end is not yet committed.
    """
    return _digest_of(keys)


def digest_of_executors(keys: list[tuple[FrameworkId, str]]) -> bytes:
    """16 bytes over (framework id, executor id), of executors the agent holds; none
    at all gives b""."""
    return _digest_of(keys) if keys else b""


def _digest_of(keys: Sequence[tuple[str, str]]) -> bytes:
    hasher = hashlib.blake2b(digest_size=16)
    for pair in sorted(keys):
        for part in (pair[0].encode(), pair[1].encode()):
            hasher.update(len(part).to_bytes(4, "big"))
            hasher.update(part)
    return hasher.digest()
