"""Sending a snapshot to a member that needs entries which are forgotten (chapter 5).

One piece is on its way at a time, and the member says from where it wants the next:
so a transfer goes on where it stopped, whatever was lost. A piece without data, at
the end, asks whether the snapshot is installed. A piece that is not answered within
the longest election timeout is sent again; and a member that wants an earlier one, or
refused the whole, waits for it as long.
"""

from __future__ import annotations

from raftleader.replication.raft.group import Group
from raftleader.replication.raft.messages import SnapshotChunk, SnapshotReply
from raftleader.replication.raft.progress import SNAPSHOT, Progress
from raftleader.replication.raft.work import SnapshotWanted


def next_chunk(peer: str, progress: Progress, group: Group) -> SnapshotWanted:
    """The piece that the member wants; nothing more until it answers."""
    assert progress.snapshot is not None
    progress.is_waiting = True
    progress.chunk_at = group.now_s
    return SnapshotWanted(
        peer=peer,
        meta=progress.snapshot,
        offset=progress.offset,
        bytes_max=group.settings.append_bytes_max,
    )


def make_chunk(wanted: SnapshotWanted, data: bytes, group: Group) -> SnapshotChunk:
    """The message, of the term in which it was wanted."""
    return SnapshotChunk(
        sender=group.node_id,
        term=group.reign_term,
        meta=wanted.meta,
        offset=wanted.offset,
        data=data,
    )


def took_chunk(progress: Progress, reply: SnapshotReply) -> bool:
    """The member wants the snapshot from some place on; whether that is news.

    An answer that names the piece already on its way is an old one: answering each
    of those would double the traffic for the rest of the transfer.
    """
    meta = progress.snapshot
    if progress.state is not SNAPSHOT or meta is None or reply.index != meta.index:
        return False
    if reply.next_offset > meta.size_bytes:
        return False
    if progress.is_waiting and reply.next_offset == progress.offset:
        return False
    is_earlier = reply.next_offset < progress.offset
    progress.offset = reply.next_offset
    progress.is_waiting = is_earlier or reply.next_offset == meta.size_bytes
    return not progress.is_waiting


def send_again(progress: Progress, group: Group) -> bool:
    """Whether the piece on its way should have been answered by now."""
    silence_s = group.now_s - progress.chunk_at
    if not progress.is_waiting or silence_s < group.settings.election_timeout_max_s:
        return False
    progress.is_waiting = False
    return True


def replace_snapshot(progress: Progress, group: Group) -> bool:
    """A newer snapshot was stored, and the older one may be gone: begin with it."""
    if progress.state is not SNAPSHOT or group.snapshot is None:
        return False
    progress.send_snapshot(group.snapshot)
    return True
