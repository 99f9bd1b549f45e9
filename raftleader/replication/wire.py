"""Frames of our own engine: strict msgpack of its messages, never pickle.

A frame is one message. Whatever is not exactly one of these, with every field in its
range, is refused as a whole: what comes out of ``Codec.decode`` can be given to the
core as it is.
"""

from __future__ import annotations

from typing import Self

import attrs
import msgspec

from raftleader.replication.entries import CONFIGURATION, KINDS, USER
from raftleader.replication.link_messages import BadMessageError
from raftleader.replication.member.greeting import Greeting
from raftleader.replication.raft.configuration import read_configuration
from raftleader.replication.raft.messages import (
    AppendEntries,
    Message,
    SnapshotChunk,
)
from raftleader.replication.settings import RaftSettings

PeerMessage = Message | Greeting

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[PeerMessage] = msgspec.msgpack.Decoder(PeerMessage)


def encode(message: PeerMessage) -> bytes:
    """The frame of one message."""
    return _encoder.encode(message)


@attrs.frozen(kw_only=True)
class Codec:
    """Reads frames.

    Attributes:
        entry_bytes_max: Most bytes of one entry, its kind byte included.
        chunk_bytes_max: Most bytes of a snapshot in one message.
    """

    entry_bytes_max: int
    chunk_bytes_max: int

    @classmethod
    def of(cls, settings: RaftSettings) -> Self:
        """What nodes with these settings say to each other."""
        return cls(
            entry_bytes_max=len(USER) + settings.entry_bytes_max,
            chunk_bytes_max=settings.append_bytes_max,
        )

    def decode(self, frame: bytes) -> PeerMessage:
        """The message in a frame. Raises BadMessageError, and nothing else."""
        try:
            message = _decoder.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadMessageError("malformed", str(error)) from error
        if isinstance(message, AppendEntries):
            self._check_entries(message)
        elif isinstance(message, SnapshotChunk):
            self._check_chunk(message)
        return message

    def _check_entries(self, message: AppendEntries) -> None:
        """Terms never fall along a log, and every entry is of a kind we know."""
        term, bytes_max = message.prev_term, self.entry_bytes_max
        for entry_term, data in message.entries:
            if entry_term < term:
                raise BadMessageError("terms", f"term {entry_term} after term {term}")
            if data[:1] not in KINDS:
                raise BadMessageError("entry kind", f"starts with {data[:1]!r}")
            if len(data) > bytes_max:
                raise BadMessageError("entry size", f"{len(data)} bytes")
            if data[:1] == CONFIGURATION:
                _check_configuration(data)
            term = entry_term
        if term > message.term:
            raise BadMessageError("terms", f"term {term} in term {message.term}")

    def _check_chunk(self, message: SnapshotChunk) -> None:
        size = len(message.data)
        if size > self.chunk_bytes_max:
            raise BadMessageError("chunk size", f"{size} bytes")
        if message.offset + size > message.meta.size_bytes:
            raise BadMessageError("chunk size", "beyond the end of the snapshot")
        if message.meta.term > message.term:
            raise BadMessageError("terms", "a snapshot of a later term")


def _check_configuration(data: bytes) -> None:
    try:
        read_configuration(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessageError("configuration", str(error)) from error
