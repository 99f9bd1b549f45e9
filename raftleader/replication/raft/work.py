"""What the core wants done, and in which order: the contract with its driver.

After any number of inputs the driver calls ``RaftCore.take`` and does, in this order:

1. truncate the journal from ``truncate_from``, append ``entries``, write ``ballot``;
2. sync the journal, once, if any of these was there;
3. call ``RaftCore.persisted(work)``: only now do this node's own copies count;
4. send ``messages``, make and send what ``snapshots_wanted`` asks for;
5. store ``chunk``, and report it (``RaftCore.chunk_stored``), now or later;
6. apply entries up to ``RaftCore.commit_index``; answer ``reads``.

Then it calls ``take`` again until ``RaftCore.has_work`` is False, and sleeps until
the next input or ``RaftCore.wake_at``. If step 1 or 2 fails, nothing after it may be
done: the node ends, or keeps everything back until the same work succeeds.
"""

from __future__ import annotations

import msgspec

from raftleader.replication.entries import Entry
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.messages import Message, SnapshotChunk, SnapshotMeta


class Ballot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a node must never forget: its term, and whom it voted for in it."""

    term: int
    vote: str | None


class StartingPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a node knows when it starts: all of it was on disk.

    Attributes:
        entries: The log after ``base_index``, oldest first, without a gap.
        configuration: In force at ``base_index``: that of the newest snapshot, or the
            first members of the group.
        snapshot: The newest stored snapshot, at or after ``base_index``; everything
            up to its index is committed and applied.
    """

    ballot: Ballot = Ballot(term=0, vote=None)
    base_index: int = 0
    base_term: int = 0
    entries: tuple[Entry, ...] = ()
    configuration: Configuration
    snapshot: SnapshotMeta | None = None


class SnapshotWanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Send ``peer`` a SnapshotChunk with up to ``bytes_max`` bytes of the stored
    snapshot ``meta`` from ``offset`` on, as ``RaftCore.snapshot_chunk`` makes it."""

    peer: str
    meta: SnapshotMeta
    offset: int
    bytes_max: int


class ReadDone(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer to ``RaftCore.read``: when the state includes ``index``, it includes
    everything that was answered before the question. ``index`` None: leadership was
    lost first, ask again."""

    read_id: int
    index: int | None


class Work(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """See the module. ``messages`` are (recipient, message), in order."""

    ballot: Ballot | None = None
    truncate_from: int | None = None
    entries: tuple[Entry, ...] = ()
    messages: tuple[tuple[str, Message], ...] = ()
    snapshots_wanted: tuple[SnapshotWanted, ...] = ()
    chunk: SnapshotChunk | None = None
    reads: tuple[ReadDone, ...] = ()
