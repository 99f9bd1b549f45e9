"""What an agent writes to disk about its tasks. Pure values and their codec.

The records of a task, in the order they are written::

    Taken -> Started -> Ended -> EndCommitted
    Taken -> Ended -> EndCommitted             could not be started
    Ended -> EndCommitted                      killed before it came

Only Taken and Ended must be on disk before anybody hears of them. Started and
EndCommitted survive the death of the agent without a sync (the kernel holds them),
and after a loss of power neither is missed: no process of that boot is left, and an
end that is reported twice is committed once.
"""

from __future__ import annotations

import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.agent_rpc import digest_of_tasks
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


class Taken(msgspec.Struct, frozen=True, tag=1, array_like=True):
    """The task is ours: it is started now or never."""

    framework_id: FrameworkId
    task_id: TaskId


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


Record = Taken | Started | Ended | EndCommitted | UsedIds

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
