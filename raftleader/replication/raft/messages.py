"""What the members of a Raft group say to each other. Pure values, and the wire's.

Every message names its sender and carries a term, the sender's, unless said
otherwise; a receiver can therefore tell an old message from a new one whatever way
it came (Ongaro, "Consensus: Bridging Theory and Practice", 2014, chapter 3).
Messages may be lost, repeated, late and out of order: every handler must be right
then too.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from raftleader.replication.raft.configuration import Configuration

NodeId = str
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
    """A candidate asks for a vote or, with ``is_probe``, whether it would get one.

    ``term`` is the term to be led. A probe (pre-vote, section 9.6) changes nothing at
    either side. ``is_transfer``: the leader wants this, so stickiness does not count.
    """

    sender: Name
    term: Position
    last_index: Count
    last_term: Count
    is_probe: bool
    is_transfer: bool = False


class VoteReply(_Message, tag="vote_reply", frozen=True):
    """``term`` is that of the request if granted, else the voter's own."""

    sender: Name
    term: Count
    is_probe: bool
    is_granted: bool


class AppendEntries(_Message, tag="append_entries", frozen=True):
    """Entries that follow ``prev_index``, as (term, data).

    Without entries it is a probe of whether the logs match there.
    """

    sender: Name
    term: Position
    prev_index: Count
    prev_term: Count
    commit_index: Count
    entries: tuple[tuple[Count, bytes], ...]


class AppendReply(_Message, tag="append_reply", frozen=True):
    """What a follower's log holds.

    Accepted: it matches the leader's up to ``index``, and that is on disk.
    Refused: it does not match at ``index`` (the message's ``prev_index``). Nothing
    after ``hint_index`` can match, and the follower's entry there is of ``hint_term``.
    """

    sender: Name
    term: Count
    is_accepted: bool
    index: Count
    hint_index: Count = 0
    hint_term: Count = 0


class Heartbeat(_Message, tag="heartbeat", frozen=True):
    """I lead. ``commit_index`` is never above what the receiver is known to hold.

    ``round`` numbers the leader's rounds of heartbeats within its term: a majority
    that echoes it proves leadership for every read asked for before it was sent.
    """

    sender: Name
    term: Position
    commit_index: Count
    round: Count


class HeartbeatReply(_Message, tag="heartbeat_reply", frozen=True):
    """Echoes ``round``. ``last_index``: the end of the follower's log, by which a
    leader notices that a message was lost."""

    sender: Name
    term: Count
    round: Count
    last_index: Count


class SnapshotMeta(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a snapshot is of: the state after the entry ``index`` of ``term``.

    ``checksum`` is over all its bytes, as the store computes it; two snapshots are the
    same exactly if their metas are equal.
    """

    index: Position
    term: Count
    configuration: Configuration
    size_bytes: Count
    checksum: bytes


class SnapshotChunk(_Message, tag="snapshot_chunk", frozen=True):
    """A piece of a snapshot, for a follower whose next entry the leader has no more."""

    sender: Name
    term: Position
    meta: SnapshotMeta
    offset: Count
    data: bytes


class SnapshotReply(_Message, tag="snapshot_reply", frozen=True):
    """The follower wants the snapshot at ``index`` from ``next_offset`` on; with
    ``is_installed`` its log now holds all up to ``index``, on disk."""

    sender: Name
    term: Count
    index: Count
    next_offset: Count
    is_installed: bool = False


class TimeoutNow(_Message, tag="timeout_now", frozen=True):
    """The leader hands over: campaign at once (section 3.10)."""

    sender: Name
    term: Position


Message = (
    RequestVote
    | VoteReply
    | AppendEntries
    | AppendReply
    | Heartbeat
    | HeartbeatReply
    | SnapshotChunk
    | SnapshotReply
    | TimeoutNow
)
