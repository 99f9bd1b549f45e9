"""Snapshots of this node's own state, so that its log can forget the beginning.

The machine gives its state in pieces while entries go on being applied; one piece is
written at a time. Only when all is durable under its name do core and journal forget
entries, and keep some for followers that are a little behind. A crash before that
leaves a draft, which the store removes at the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from raftleader.errors import DiskFullError
from raftleader.replication.interface import StateMachine
from raftleader.replication.journal import Journal
from raftleader.replication.member.applying import Applying
from raftleader.replication.raft.core import RaftCore
from raftleader.replication.raft.messages import SnapshotMeta
from raftleader.replication.snapshots import SnapshotStore, SnapshotWriter

RETRY_S = 5.0
"""After a snapshot that found the disk full, another is tried after this time."""
SENDING_S = 2.0
"""A transfer of a snapshot is under way if a piece went or came so recently. A new one
here would make a follower begin again, so it waits, until there are ``PATIENCE`` times
as many entries as there should be."""
PATIENCE = 4


class Snapshotting:
    """Takes a snapshot whenever enough was applied since the last one."""

    def __init__(
        self,
        *,
        core: RaftCore,
        journal: Journal,
        store: SnapshotStore,
        machine: StateMachine,
        applying: Applying,
        entries_max: int,
        bytes_max: int,
        keep_entries: int,
        at_point: Callable[[str], None],
    ) -> None:
        self._core = core
        self._journal = journal
        self._store = store
        self._machine = machine
        self._applying = applying
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._keep_entries = keep_entries
        self._at_point = at_point
        self._writer: SnapshotWriter | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._not_before_s = float("-inf")
        self._sent_at_s = float("-inf")
        self.taken = 0
        self.failed = 0

    @property
    def is_active(self) -> bool:
        """A snapshot is being written."""
        return self._writer is not None

    def sending(self, now_s: float) -> None:
        """A follower was sent a piece of the newest snapshot."""
        self._sent_at_s = now_s

    def is_due(self, now_s: float) -> bool:
        """Enough was applied to begin one."""
        applied = self._applying
        times = PATIENCE if now_s < self._sent_at_s + SENDING_S else 1
        return (
            applied.entries >= times * self._entries_max
            or applied.size_bytes >= times * self._bytes_max
        ) and now_s >= self._not_before_s

    def work(self, now_s: float) -> bool:
        """Begin one if it is due, or write a piece of it, or finish it.

        True if there is more to do. Raises OSError other than for a full disk."""
        try:
            if self._writer is None:
                return self.is_due(now_s) and self._begin()
            piece = next(self._pieces, None)
            if piece is not None:
                self._writer.write(piece)
                self._at_point("snapshot-written")
                return True
            self._finish(self._writer)
        except DiskFullError:
            # The store removes the draft; the log goes on growing meanwhile.
            self.abandon()
            self.failed += 1
            self._not_before_s = now_s + RETRY_S
        return False

    def put_off(self, now_s: float) -> None:
        """A newer one comes from the leader, now or in the next seconds."""
        self.abandon()
        self._not_before_s = max(self._not_before_s, now_s + SENDING_S)

    def abandon(self) -> None:
        """Forget the one being written."""
        writer, self._writer = self._writer, None
        self._pieces = iter(())
        if writer is not None:
            writer.abandon()

    def stored(self, meta: SnapshotMeta) -> None:
        """``meta`` is durable and in our log: forget what it stands for.

        Raises DiskFullError: then the journal keeps more than it must."""
        first = self._core.snapshot_stored(meta, self._keep_entries)
        self._journal.drop_before(first)
        self._at_point("snapshot-compacted")

    def _begin(self) -> bool:
        applied = self._applying
        if applied.index == 0:
            return False
        self._at_point("snapshot-begin")
        self._pieces = self._machine.capture()
        self._writer = self._store.begin(
            applied.index, self._core.term_at(applied.index), applied.configuration
        )
        applied.count_anew()
        return True

    def _finish(self, writer: SnapshotWriter) -> None:
        self._at_point("snapshot-finish")
        meta = writer.finish()
        self._writer = None
        self.taken += 1
        self._at_point("snapshot-stored")
        self.stored(meta)
