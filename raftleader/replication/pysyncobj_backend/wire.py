"""What nodes of this engine say to each other: strict msgpack, never pickle.

A frame is one message. Whatever is not exactly one of these, with every field in its
range, is refused as a whole. There is no message that carries a part of an entry
(PySyncObj's ``transmission``), a snapshot (``serialized``) or a command to forward.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from raftleader.replication.entries import NO_OP, USER
from raftleader.replication.link_messages import BadMessageError

Count = Annotated[int, Meta(ge=0, lt=2**62)]
Position = Annotated[int, Meta(ge=1, lt=2**62)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]


class _Message(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    kw_only=True,
    gc=False,
):
    """One message; the tag of each subclass is the first element of the array."""


class RequestVote(_Message, tag="request_vote", frozen=True):
    """A candidate asks for a vote, or (``is_probe``) whether it would get one.

    ``term`` is the term to be led. A probe changes nothing at either side.
    """

    sender: Name
    term: Position
    last_index: Position
    last_term: Count
    is_probe: bool


class VoteReply(_Message, tag="vote_reply", frozen=True):
    """``term`` is that of the request if granted, else the voter's own."""

    sender: Name
    term: Count
    is_probe: bool
    is_granted: bool


class AppendEntries(_Message, tag="append_entries", frozen=True):
    """Entries that follow ``prev_index``, as (term, data); none in a heartbeat."""

    sender: Name
    term: Position
    prev_index: Position
    prev_term: Count
    commit_index: Position
    entries: list[tuple[Count, bytes]]


class AppendReply(_Message, tag="append_reply", frozen=True):
    """What a follower's log holds; ``term`` is the follower's.

    Accepted: it matches the leader's up to ``index``, and that is on disk.
    Refused: it does not match at ``index``; nothing after ``hint`` can.
    """

    sender: Name
    term: Count
    is_accepted: bool
    index: Count
    hint: Count


RaftMessage = RequestVote | VoteReply | AppendEntries | AppendReply

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[RaftMessage] = msgspec.msgpack.Decoder(RaftMessage)


def encode(message: RaftMessage) -> bytes:
    """The frame of one message."""
    return _encoder.encode(message)


def decode(frame: bytes) -> RaftMessage:
    """The message in a frame. Raises BadMessageError, and nothing else."""
    try:
        message = _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessageError("malformed", str(error)) from error
    if isinstance(message, AppendEntries):
        _check_entries(message)
    return message


def _check_entries(message: AppendEntries) -> None:
    """Terms never fall along a log, and every entry is of a kind we know."""
    term = message.prev_term
    for entry_term, data in message.entries:
        if entry_term < term:
            raise BadMessageError("terms", f"term {entry_term} after term {term}")
        if data[:1] not in (USER, NO_OP):
            raise BadMessageError("entry kind", f"starts with {data[:1]!r}")
        term = entry_term
    if term > message.term:
        raise BadMessageError("terms", f"entry of term {term} in term {message.term}")
