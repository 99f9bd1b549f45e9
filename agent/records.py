"""What an agent writes to disk about its tasks. Pure values and their codec.

The records of a task, in the order they are written::

    Taken -> Started -> Ended -> EndCommitted
    Taken -> Ended -> EndCommitted             could not be started, or an executor's
    Ended -> EndCommitted                      killed before it came

and those of one run of an executor::

    ExecutorTaken -> [ExecutorStarted ->] ExecutorEnded -> ExecutorEndCommitted

Only Taken and Ended must be on disk before anybody hears of them. Started and
EndCommitted survive the death of the agent without a sync (the kernel holds them),
and after a loss of power neither is missed: no process of that boot is left, and an
end that is reported twice is committed once.
"""

from __future__ import annotations

import attrs
import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.agent_rpc import ExecutorReport, digest_of_tasks
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import TaskStatus

MARK_BYTES = 16


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who the agent is.

    Attributes:
        key: Random, made at the first start; registration is idempotent by it.
        agent_id: Given by the leader; None until then.
        cluster_id: Of the cluster that gave it; "" until then.
    """

    key: str
    agent_id: AgentId | None = None
    cluster_id: str = ""


class ProcessMark(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Names one process for good: a pid alone is used again.

    Attributes:
        pid: Its pid, and as it leads a session of its own, also its group's.
        start_ticks: When it started, in clock ticks since boot, as the kernel says.
        boot_id: The boot of the machine that this counts from.
    """

    pid: int
    start_ticks: int
    boot_id: str


@attrs.frozen
class ExecutorRun:
    """One run of an executor: the same id may run again after its end.

    Attributes:
        container_id: Names the run for good.
    """

    framework_id: FrameworkId
    executor_id: str
    container_id: str

    @property
    def key(self) -> ExecutorKey:
        return (self.framework_id, self.executor_id)


ExecutorKey = tuple[FrameworkId, str]
"""Executor ids are chosen by frameworks, so only the pair is unique on an agent."""

ProcessKey = TaskKey | ExecutorRun
"""What a process group is of: a task that the agent runs itself, or an executor."""


class Taken(msgspec.Struct, frozen=True, tag=1, array_like=True):
    """The task is ours: it is started now or never.

    ``executor_id`` is that of the executor it is for; None for a command task.
    """

    framework_id: FrameworkId
    task_id: TaskId
    executor_id: str | None = None


class Started(msgspec.Struct, frozen=True, tag=2, array_like=True):
    """Its process runs."""

    framework_id: FrameworkId
    task_id: TaskId
    mark: ProcessMark


class Ended(msgspec.Struct, frozen=True, tag=3, array_like=True):
    """It has ended, or was killed before it came; the update says how."""

    framework_id: FrameworkId
    task_id: TaskId
    status: TaskStatus


class EndCommitted(msgspec.Struct, frozen=True, tag=4, array_like=True):
    """Its end is in the leaders' log: only its id is remembered from now on."""

    framework_id: FrameworkId
    task_id: TaskId


class UsedIds(msgspec.Struct, frozen=True, tag=5, array_like=True):
    """Marks of tasks whose end is committed, joined; written by compaction."""

    marks: bytes


class ExecutorTaken(msgspec.Struct, frozen=True, tag=6, array_like=True):
    """A run of an executor begins, with its first task."""

    framework_id: FrameworkId
    executor_id: str
    container_id: str


class ExecutorStarted(msgspec.Struct, frozen=True, tag=7, array_like=True):
    """Its process runs. The default executor has none."""

    framework_id: FrameworkId
    executor_id: str
    mark: ProcessMark


class ExecutorEnded(msgspec.Struct, frozen=True, tag=8, array_like=True):
    """The run is over; the report says how."""

    report: ExecutorReport


class ExecutorEndCommitted(msgspec.Struct, frozen=True, tag=9, array_like=True):
    """Its end is in the leaders' log: nothing of the run is remembered."""

    framework_id: FrameworkId
    executor_id: str


Record = (
    Taken
    | Started
    | Ended
    | EndCommitted
    | UsedIds
    | ExecutorTaken
    | ExecutorStarted
    | ExecutorEnded
    | ExecutorEndCommitted
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Record]] = msgspec.msgpack.Decoder(list[Record])


def encode_records(records: list[Record]) -> bytes:
    """The records as the payload of one frame of the checkpoint."""
    return _encoder.encode(records)


def decode_records(payload: bytes) -> list[Record]:
    """The inverse of :func:`encode_records`. Raises InvalidInputError."""
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInputError("checkpoint records", str(error)) from error


def mark_of(key: TaskKey) -> bytes:
    """16 bytes that stand for a task for ever, whatever the length of its ids."""
    return digest_of_tasks([key])
