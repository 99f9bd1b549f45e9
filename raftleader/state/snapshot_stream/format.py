"""How the stream is laid out.

    stream   magic (8 bytes), version (2 bytes), frames
    frame    size of what follows (4 bytes), section (1 byte), msgpack

Numbers are big-endian. Sections come in the order of ``Section``, a large one in many
frames. ``PART`` frames stand before the row they belong to: it was too large for one
step. The last frame says how many rows there were, so a stream that was cut is known.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable
from typing import Any

import msgspec

from raftleader.protocol.ids import AgentId, FrameworkId, NodeId
from raftleader.protocol.operator_values import MachineId, Quota, Window
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import (
    Agent,
    CompletedTask,
    DurableFilter,
    Executor,
    Framework,
    InverseAnswer,
    InverseOfferRow,
    OperationRow,
    OutstandingOffer,
    Rescinded,
    Task,
)

MAGIC = b"RLSTATE\n"
VERSION = 2
"""Raised whenever an older reader would misread. A reader refuses all others."""

CHUNK_BYTES = 64 * 1024
"""What ``Restoring.feed`` should be given at most: some milliseconds of work."""
FRAME_BYTES = 32 * 1024
"""A frame is closed once it is as large; a single row may make it larger."""
STEP_BYTES = 512 * 1024
"""What one step of ``capture`` yields, about: some milliseconds of work."""
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""More than any row can be: its parts come out of a few entries of the log."""


class Section(enum.IntEnum):
    """What a frame holds."""

    HEADER = 1
    REMOVED = 2
    GONE = 3
    FRAMEWORKS = 4
    AGENTS = 5
    INVERSE_ANSWERS = 6
    OWNERS = 7
    OFFERS = 8
    INVERSE_OFFERS = 9
    EXECUTORS = 10
    TASKS = 11
    COMPLETED = 12
    OPERATIONS = 13
    END = 14
    PART = 15


TABLES = tuple(
    section
    for section in Section
    if section not in (Section.HEADER, Section.OWNERS, Section.END, Section.PART)
)
"""Sections whose rows are counted. A row leans only on rows of earlier ones."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The single values of the state."""

    cluster_id: str
    index: int
    term: int
    leader: NodeId | None
    leader_http: str
    clock_ms: int
    weights: dict[str, int]
    quotas: dict[str, Quota]
    windows: tuple[Window, ...]
    down_machines: tuple[MachineId, ...]


class Owners(msgspec.Struct, frozen=True, array_like=True):
    """The owners of ``index``, an attribute of the state, in their order there.

    They come and go in another order than their rows; so the order is in the stream,
    before the rows.
    """

    index: str
    owners: list[str]


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Items that precede those in ``field`` of the next row."""

    field: str
    items: msgspec.Raw


class End(msgspec.Struct, frozen=True, kw_only=True):
    """What must have been read, and the two sums with their order."""

    rows: dict[int, int]
    allocated: dict[str, dict[FrameworkId, dict[str, int]]]
    capacity: dict[str, int]


PARTS_OF_FRAMEWORK = ("filters", "rescinds", "orphan_updates", "answered_launches")
PARTS_OF_TASK = ("pending", "statuses")
ITEMS_IN_ROW_MAX = 8
"""A longer field of these is written as parts: it may have 20,000 items, or hold
megabytes."""

encoder = msgspec.msgpack.Encoder()
"""Without an order of its own: dicts are written as they are."""

header_decoder = msgspec.msgpack.Decoder(Header)
owners_decoder = msgspec.msgpack.Decoder(Owners)
part_decoder = msgspec.msgpack.Decoder(Part)
end_decoder = msgspec.msgpack.Decoder(End)
removed_decoder = msgspec.msgpack.Decoder(list[tuple[FrameworkId, int]])
frameworks_decoder = msgspec.msgpack.Decoder(list[Framework])
agents_decoder = msgspec.msgpack.Decoder(list[Agent])
offers_decoder = msgspec.msgpack.Decoder(list[OutstandingOffer])
tasks_decoder = msgspec.msgpack.Decoder(list[Task])
completed_decoder = msgspec.msgpack.Decoder(list[CompletedTask])
gone_decoder = msgspec.msgpack.Decoder(list[tuple[AgentId, int]])
executors_decoder = msgspec.msgpack.Decoder(list[Executor])
operations_decoder = msgspec.msgpack.Decoder(list[tuple[str, OperationRow]])
inverse_offers_decoder = msgspec.msgpack.Decoder(list[InverseOfferRow])
inverse_answers_decoder = msgspec.msgpack.Decoder(
    list[tuple[AgentId, tuple[InverseAnswer, ...]]]
)
items_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "filters": msgspec.msgpack.Decoder(list[DurableFilter]),
    "rescinds": msgspec.msgpack.Decoder(list[Rescinded]),
    "orphan_updates": msgspec.msgpack.Decoder(list[TaskStatus]),
    "answered_launches": msgspec.msgpack.Decoder(list[bytes]),
    "pending": msgspec.msgpack.Decoder(list[TaskStatus]),
    "statuses": msgspec.msgpack.Decoder(list[TaskStatus]),
}

prelude = struct.Struct(">8sH")
frame_head = struct.Struct(">IB")
_array_head = struct.Struct(">BI")
_ARRAY_32 = 0xDD


def frame(section: Section, payload: bytes) -> bytes:
    """One frame."""
    return frame_head.pack(len(payload) + 1, section) + payload


def array(items: Iterable[bytes], count: int) -> bytes:
    """The msgpack array of ``count`` encoded items."""
    return _array_head.pack(_ARRAY_32, count) + b"".join(items)
