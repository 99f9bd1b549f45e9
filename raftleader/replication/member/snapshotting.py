"""Snapshots of this node's own state, so that its log can forget the beginning.

The machine gives its state in pieces while entries go on being applied; one piece is
written at a time. Only when all is durable under its name do core and journal forget
entries, and keep some for followers that are a little behind. A crash before that
leaves a draft, which the store removes at the next start.

What waits for the disk is yielded (``disk_waits``): a large file's sync takes longer
than the event loop may stand still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from raftleader.errors import DiskFullError
from raftleader.replication.interface import StateMachine
from raftleader.replication.journal import Journal
from raftleader.replication.member.applying import Applying
from raftleader.replication.member.disk_waits import Waits
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

    def works(self, now_s: float) -> Waits[bool]:
        """Begin one if it is due, or write a piece of it, or finish it.

        True if there is more to do. Raises OSError other than for a full disk."""
        try:
            writer = self._writer
            if writer is None:
                if not self.is_due(now_s) or self._applying.index == 0:
                    return False
                yield from self._begin()
                return True
            piece = next(self._pieces, None)
            if piece is not None:
                yield partial(writer.write, piece)
                self._at_point("snapshot-written")
                return True
            yield from self._finish(writer)
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

    def stored(self, meta: SnapshotMeta) -> Waits[None]:
        """``meta`` is durable and in our log: forget what it stands for.

        Raises DiskFullError: then the journal keeps more than it must."""
        first = self._core.snapshot_stored(meta, self._keep_entries)
        yield partial(self._journal.drop_before, first)
        self._at_point("snapshot-compacted")

    def _begin(self) -> Waits[None]:
        applied = self._applying
        self._at_point("snapshot-begin")
        # Nothing is applied before this ends: what is captured is the state at its
        # index.
        self._pieces = self._machine.capture()
        term, configuration = self._core.term_at(applied.index), applied.configuration

        def begin() -> None:
            self._writer = self._store.begin(applied.index, term, configuration)

        yield begin
        applied.count_anew()

    def _finish(self, writer: SnapshotWriter) -> Waits[None]:
        self._at_point("snapshot-finish")
        metas: list[SnapshotMeta] = []
        yield lambda: metas.append(writer.finish())
        self._writer = None
        self.taken += 1
        self._at_point("snapshot-stored")
        yield from self.stored(metas[0])
