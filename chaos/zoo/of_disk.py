"""Mutants of what is on disks: journal, snapshots, and what is applied from them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from msgspec.structs import replace

from chaos.zoo.patch import Patch, Patches
from raftleader.leader import replica
from raftleader.replication.journal.format import (
    HEAD_BYTES,
    decode_head,
    encode_batch,
)
from raftleader.replication.journal.reading import Batch, SegmentReader
from raftleader.replication.journal.recovery import Segment
from raftleader.replication.journal.segment_files import SegmentFiles
from raftleader.replication.member.applying import Applying
from raftleader.replication.member.writing import Writing
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.snapshots.writing import Draft
from raftleader.state.cluster import ClusterState
from raftleader.state.snapshot_stream import capture


def _sync_now_and_then(self: Writing) -> None:
    """Three of four syncs are left to a later step; the messages leave all the same."""
    late = getattr(self, "late", 0)
    self.late = (late + 1) % 4  # type: ignore[attr-defined]
    if late == 3:
        _sync(self)


def _write_unsynced(
    self: SegmentFiles, segment: Segment, body: bytes, end: int
) -> None:
    """What was written is taken for durable."""
    assert self._file is not None
    if end > self._room:
        self._file.allocate(self._segment_bytes)
        self._room = self._segment_bytes
    self._file.write(segment.end, encode_batch(segment.seed, segment.end, body))
    segment.end = end


def _batch_unchecked(self: SegmentReader, offset: int) -> Batch | None:
    """A batch whose head is whole is taken for whole."""
    head = decode_head(self.header.seed, offset, self._read(offset, HEAD_BYTES))
    if head is None:
        return None
    start = offset + HEAD_BYTES
    if start + head.size > self.size_bytes:
        return None
    return Batch(offset, start + head.size, self._read(start, head.size))


def _settle_unsynced(self: Draft, size: int) -> None:
    """A new name is taken for durable once the file is."""
    if self._file.size() != size:
        self._file.truncate(size)
    self._file.sync()
    self.close()
    self._disk.rename(self._draft, self._path)


def _restored_one_early(
    self: Applying, index: int, configuration: Configuration
) -> None:
    """After a snapshot the entry before it is applied once more."""
    _restored(self, index, configuration)
    self.index = index - 1


def _capture_without_filters(state: ClusterState) -> Iterator[bytes]:
    """A field of a row is left out of snapshots."""
    bare = attrs.evolve(state)
    bare.frameworks = {
        key: replace(row, filters=()) for key, row in state.frameworks.items()
    }
    return capture(bare)


_sync = Writing._sync
_restored = Applying.restored

MUTANTS: Patches = {
    "acknowledge-before-sync": (Patch(Writing, "_sync", _sync_now_and_then),),
    "never-sync": (Patch(SegmentFiles, "_write_batch", _write_unsynced),),
    "believe-a-torn-journal": (Patch(SegmentReader, "batch_at", _batch_unchecked),),
    "leave-the-directory-unsynced": (Patch(Draft, "settle", _settle_unsynced),),
    "apply-twice": (Patch(Applying, "restored", _restored_one_early),),
    "snapshot-without-filters": (Patch(replica, "capture", _capture_without_filters),),
}
