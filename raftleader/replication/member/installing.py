"""A snapshot from the leader, for a node whose next entry nobody has any more.

1. Pieces go to the store as they come; what is there survives a restart.
2. When all are there the store checks the whole, and gives it its name, durably.
3. It is read into the machine piece by piece, beside the state in use; nothing is
   applied meanwhile, and messages are answered as ever.
4. The machine takes the new state, and core and journal begin after it.

The leader is told only when the journal is synced. After a crash before 2 the pieces
go on where they ended; after 2 the start does the rest (``opening``).

What waits for the disk is yielded, see ``disk_waits``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from raftleader.errors import DiskFullError, InvalidInputError
from raftleader.replication.interface import Restoration, StateMachine
from raftleader.replication.journal import Journal
from raftleader.replication.member.applying import Applying
from raftleader.replication.member.disk_waits import Waits
from raftleader.replication.member.snapshotting import Snapshotting
from raftleader.replication.raft.core import RaftCore
from raftleader.replication.raft.messages import SnapshotChunk, SnapshotMeta
from raftleader.replication.snapshots import SnapshotStore

CHUNK_BYTES = 64 * 1024
"""Fed to the machine at once; it takes milliseconds, never more than 20."""


class Installing:
    """Receives a snapshot, and reads one into the machine: also at a start."""

    def __init__(
        self,
        *,
        core: RaftCore,
        journal: Journal,
        store: SnapshotStore,
        machine: StateMachine,
        applying: Applying,
        snapshotting: Snapshotting,
        at_point: Callable[[str], None],
    ) -> None:
        self._core = core
        self._journal = journal
        self._store = store
        self._machine = machine
        self._applying = applying
        self._snapshotting = snapshotting
        self._at_point = at_point
        self._meta: SnapshotMeta | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._restoration: Restoration | None = None
        self._is_start = False
        self.failed = 0

    @property
    def is_active(self) -> bool:
        """A snapshot is being read into the machine."""
        return self._meta is not None

    def start_from(self, meta: SnapshotMeta) -> None:
        """The node starts, and this is its newest snapshot: ``work`` reads it."""
        self._is_start = True
        self._read(meta)

    def receive(self, chunk: SnapshotChunk, now_s: float) -> Waits[None]:
        """Store a piece, and begin to install when it was the last one."""
        if self._meta is not None:
            return  # the leader repeats it if it still matters then
        meta = chunk.meta
        self._snapshotting.put_off(now_s)
        try:
            offsets: list[int] = []
            yield lambda: offsets.append(
                self._store.receive(meta, chunk.offset, chunk.data)
            )
            next_offset = offsets[0]
            self._at_point("install-received")
            if next_offset < meta.size_bytes:
                self._core.chunk_stored(meta, next_offset)
                return
            yield partial(self._store.complete, meta)
            self._core.chunk_stored(meta, next_offset)
        except DiskFullError:
            self.failed += 1  # unanswered, so the leader tries again later
            return
        except InvalidInputError:
            self.failed += 1
            self._core.snapshot_refused(meta)
            return
        self._at_point("install-complete")
        self._read(meta)

    def works(self, now_s: float) -> Waits[bool]:
        """Read a piece into the machine, or finish. True if there is more to do.

        Raises JournalDamagedError or InvalidInputError if the stored snapshot, which
        was checked before, cannot be read, or not by this version; OSError."""
        meta, restoration = self._meta, self._restoration
        if meta is None or restoration is None:
            return False
        chunk = next(self._chunks, None)
        if chunk is not None:
            restoration.feed(chunk)
            return True
        self._at_point("install-restored")
        restoration.finish()
        self._applying.restored(meta.index, meta.configuration)
        self._meta = self._restoration = None
        self._chunks = iter(())
        if not self._is_start:
            yield from self._begin_log_after(meta, now_s)
        self._is_start = False
        return False

    def _read(self, meta: SnapshotMeta) -> None:
        self._meta = meta
        self._chunks = self._store.chunks(meta, CHUNK_BYTES)
        self._restoration = self._machine.restore()
        self._applying.is_paused = True

    def _begin_log_after(self, meta: SnapshotMeta, now_s: float) -> Waits[None]:
        """Core and journal; the latter is durable with the next sync, before which
        the core's answer does not leave."""
        core = self._core
        is_behind = core.commit_index < meta.index
        core.snapshot_installed(meta, now_s)
        self._at_point("install-reset")
        if not is_behind:  # the log got there by itself meanwhile
            yield from self._snapshotting.stored(meta)
        elif core.last_index > meta.index:  # it has what follows
            yield partial(self._journal.drop_before, core.first_index)
        else:
            self._journal.reset(meta.index, meta.term)
