"""RaftCores with a small driver each: a disk that forgets what was not synced, and
snapshots of a state that is the list of applied entries. Time is moved by hand."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import msgspec

from raftleader.replication.entries import CONFIGURATION, USER, Entry
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.core import RaftCore
from raftleader.replication.raft.messages import Message, SnapshotChunk, SnapshotMeta
from raftleader.replication.raft.work import Ballot, ReadDone, StartingPoint, Work
from raftleader.replication.settings import RaftSettings

State = tuple[tuple[int, int, bytes], ...]


class DriverDisk:
    """What survives a crash of one node."""

    def __init__(self) -> None:
        self.ballot = Ballot(term=0, vote=None)
        self.base = (0, 0)
        self.entries: list[Entry] = []
        self.snapshot: SnapshotMeta | None = None
        self.snapshot_data = b""
        self.partial: tuple[SnapshotMeta, bytes] | None = None


class DrivenNode:
    """One node: does what ``work.py`` asks of a driver.

    ``written`` is told each work before it is carried out.
    """

    def __init__(
        self,
        node_id: str,
        *,
        first: Configuration,
        settings: RaftSettings,
        draw: Callable[[], float],
        now_s: float,
        written: Callable[[str, Work], None] = lambda node_id, work: None,
    ) -> None:
        self.node_id = node_id
        self.disk = DriverDisk()
        self._first = first
        self.settings = settings
        self._draw = draw
        self._written = written
        self.chunk_bytes_max: int | None = None
        self.corrupts_next_chunk = False
        self.restart(now_s)

    def restart(self, now_s: float) -> None:
        """From what is on disk, and that only."""
        disk = self.disk
        self.core = RaftCore(
            node_id=self.node_id,
            settings=self.settings,
            draw=self._draw,
            start=StartingPoint(
                ballot=disk.ballot,
                base_index=disk.base[0],
                base_term=disk.base[1],
                entries=tuple(disk.entries),
                configuration=(
                    self._first
                    if disk.snapshot is None
                    else disk.snapshot.configuration
                ),
                snapshot=disk.snapshot,
            ),
            now_s=now_s,
        )
        self.reads: dict[int, ReadDone] = {}
        self.unsynced: Work | None = None  # taken, and not on disk
        self.applied: State = ()
        self.applied_index = 0
        if disk.snapshot is not None:
            self._restore(disk.snapshot, disk.snapshot_data)
        self.apply()

    def take(self) -> None:
        """Take work, and leave it unsynced."""
        self.unsynced = self.core.take()
        self._written(self.node_id, self.unsynced)

    def finish(self, now_s: float) -> list[tuple[str, Message]]:
        """Sync what was taken; what may leave then."""
        work, self.unsynced = self.unsynced, None
        assert work is not None
        self._sync(work)
        self.core.persisted(work)
        out = list(work.messages)
        for wanted in work.snapshots_wanted:
            assert wanted.meta == self.disk.snapshot
            size = min(wanted.bytes_max, self.chunk_bytes_max or wanted.bytes_max)
            data = self.disk.snapshot_data[wanted.offset : wanted.offset + size]
            out.append((wanted.peer, self.core.snapshot_chunk(wanted, data)))
        if work.chunk is not None:
            self._store(work.chunk, now_s)
        for read in work.reads:
            assert read.read_id not in self.reads, "answered twice"
            self.reads[read.read_id] = read
        self.apply()
        return out

    def run(self, now_s: float) -> list[tuple[str, Message]]:
        """All work there is."""
        out: list[tuple[str, Message]] = []
        while self.core.has_work:
            self.take()
            out += self.finish(now_s)
        return out

    def apply(self) -> None:
        """What is committed; only after a sync, as ``work.py`` says."""
        last = self.core.commit_index
        if self.applied_index < last:
            entries = self.core.entries(self.applied_index + 1, last)
            assert entries[-1].index == last
            self.applied += tuple((one.index, one.term, one.data) for one in entries)
            self.applied_index = last

    def store_snapshot(self, *, keep: int) -> SnapshotMeta:
        """Of the applied state; the log before it is forgotten but for ``keep``."""
        assert self.applied_index > 0
        data = msgspec.msgpack.encode(self.applied)
        self.disk.snapshot = meta = SnapshotMeta(
            index=self.applied_index,
            term=self.core.term_at(self.applied_index),
            configuration=self.core.configuration_at(self.applied_index),
            size_bytes=len(data),
            checksum=_checksum(data),
        )
        self.disk.snapshot_data = data
        first = self.core.snapshot_stored(meta, keep)
        self._drop_before(first)
        return meta

    # --- the disk -----------------------------------------------------------------

    def _sync(self, work: Work) -> None:
        disk = self.disk
        if work.truncate_from is not None:
            del disk.entries[work.truncate_from - disk.base[0] - 1 :]
        if work.entries:
            end = disk.entries[-1].index if disk.entries else disk.base[0]
            assert work.entries[0].index == end + 1, "a gap, or an overlap"
            disk.entries += work.entries
        if work.ballot is not None:
            disk.ballot = work.ballot

    def _drop_before(self, first: int) -> None:
        disk = self.disk
        count = first - 1 - disk.base[0]
        if count > 0:
            disk.base = (first - 1, disk.entries[count - 1].term)
            del disk.entries[:count]

    def _store(self, chunk: SnapshotChunk, now_s: float) -> None:
        meta, data = chunk.meta, chunk.data
        kept = b""
        if self.disk.partial is not None and self.disk.partial[0] == meta:
            kept = self.disk.partial[1]
        if self.corrupts_next_chunk and data:
            self.corrupts_next_chunk = False
            data = bytes([data[0] ^ 1]) + data[1:]
        if chunk.offset == len(kept):
            kept += data
        self.disk.partial = (meta, kept)
        if len(kept) < meta.size_bytes:
            self.core.chunk_stored(meta, len(kept))
        elif _checksum(kept) != meta.checksum:
            self.disk.partial = None
            self.core.snapshot_refused(meta)
        else:
            self.disk.partial = None
            self.disk.snapshot, self.disk.snapshot_data = meta, kept
            self._restore(meta, kept)
            self.core.snapshot_installed(meta, now_s)
            if self.core.last_index > meta.index:
                self._drop_before(meta.index + 1)
            else:
                self.disk.entries.clear()
                self.disk.base = (meta.index, meta.term)

    def _restore(self, meta: SnapshotMeta, data: bytes) -> None:
        self.applied = msgspec.msgpack.decode(data, type=State)
        self.applied_index = meta.index


def data_of(state: State) -> list[str]:
    """The users' entries of a state, as text."""
    return [data[1:].decode() for _, _, data in state if data[:1] == USER]


def name_of(data: bytes) -> str:
    """An entry, for people."""
    if data[:1] == USER:
        return data[1:].decode()
    return "members" if data[:1] == CONFIGURATION else "no-op"


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")
