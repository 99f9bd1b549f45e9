"""The applied log of a leader node: which entries it applied, in one of its lives.

A file is a sequence of frames, each a length (4 bytes, big-endian) and a record in
msgpack. Every frame is one write, so a node that is killed leaves at most one torn
frame, the last. It lies beside the node's log, not on the disk that faults break.

Times are those of the true CLOCK_MONOTONIC (``clock``), as in ``history.records``.
Indexes have gaps: entries of the log's own are not given to the state machine.
"""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec

from raftleader.errors import InvalidInputError

LENGTH = struct.Struct(">I")
DIGEST_EVERY = 500
"""A digest is taken after the first entry whose index is in another stretch of so many
than that before; it reads the whole state, so not more often."""
SUFFIX = ".rec"


class _Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    pass


class Begin(_Record, frozen=True, kw_only=True, tag="begin"):
    """First record of every file: a life of ``node`` begins.

    ``wall_ms`` is the wall clock as the node saw it; it may be a faked one.
    """

    node: str
    pid: int
    at_ns: int
    wall_ms: int


class AppliedEntry(_Record, frozen=True, kw_only=True, tag="applied"):
    """A committed entry is given to the state machine, at ``at_ns``."""

    index: int
    term: int
    at_ns: int
    data: bytes


class Restored(_Record, frozen=True, kw_only=True, tag="restored"):
    """A snapshot took the place of the state; ``index`` is that of the new state, the
    last entry that was applied to it, and ``digest`` its digest."""

    index: int
    at_ns: int
    digest: bytes


class Digested(_Record, frozen=True, kw_only=True, tag="digest"):
    """``raftleader.state.snapshot.digest`` of the state after ``index``."""

    index: int
    digest: bytes


class RoleChange(_Record, frozen=True, kw_only=True, tag="role"):
    """What the node knows about who leads has changed."""

    term: int
    leading: bool
    leader: str | None
    at_ns: int


class Crashed(_Record, frozen=True, kw_only=True, tag="crashed"):
    """Last record of a life that ended itself at a crash point."""

    point: str
    at_ns: int


AppliedRecord = Begin | AppliedEntry | Restored | Digested | RoleChange | Crashed

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AppliedRecord] = msgspec.msgpack.Decoder(
    AppliedRecord
)


def encode_record(record: AppliedRecord) -> bytes:
    """One frame."""
    body = _encoder.encode(record)
    return LENGTH.pack(len(body)) + body


def decode_record(body: bytes | memoryview) -> AppliedRecord:
    """What is behind a length. Raises InvalidInputError."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError("record", str(error)) from error


def life_file(prefix: Path, life: int) -> Path:
    """The file of a life, counted from 1, of the node that records at ``prefix``."""
    return prefix.with_name(f"{prefix.name}-{life}{SUFFIX}")
