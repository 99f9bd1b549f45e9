"""The one place where the core's work becomes durable, and what waits for that.

No message leaves, and no copy of this node counts, before the sync behind it. When
the disk is full the work at hand stays as it is, half in the journal's memory, and
the node keeps still until the same sync succeeds: it leads nobody, answers nothing,
and forgets nothing. Any other failure of the disk ends the node.

What waits for the disk is not called here but yielded, as a ``Sync``: whoever steps the
member calls it, where it may take its time (``disk_waits``).
"""

from __future__ import annotations

from collections.abc import Callable

from raftleader.errors import DiskFullError
from raftleader.replication.journal import Journal
from raftleader.replication.member.disk_waits import Waits
from raftleader.replication.member.greeting import Greeting
from raftleader.replication.member.parts import Parts
from raftleader.replication.member.requests import Requests
from raftleader.replication.raft.messages import Message
from raftleader.replication.raft.work import Work
from raftleader.replication.snapshots import SnapshotStore

Outgoing = tuple[str, Message | Greeting]

DISK_FULL_RETRY_S = 0.25
"""A full disk is tried again after this time."""


class Writing:
    """Carries out the core's work.

    Attributes:
        is_full: The last sync found the disk full; ``try_again`` at ``retry_at_s``.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        store: SnapshotStore,
        requests: Requests,
        at_point: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._store = store
        self._requests = requests
        self._at_point = at_point
        self._stuck: Work | None = None
        self.is_full = False
        self.retry_at_s = 0.0

    def carry_out(self, parts: Parts, out: list[Outgoing], now_s: float) -> Waits[bool]:
        """All of it, and whatever else waits for a sync; messages go to ``out``.

        False: the disk is full. Raises OSError for any other failure."""
        core = parts.core
        try:
            while core.has_work:
                work = self._stuck = core.take()
                self._write(work)
                if self._journal.is_dirty:
                    yield self._sync
                self._stuck = None
                yield from self._finish(parts, work, out, now_s)
            if self._journal.is_dirty:
                yield self._sync
        except DiskFullError:
            self.is_full = True
            self.retry_at_s = now_s + DISK_FULL_RETRY_S
            return False
        return True

    def try_again(self, parts: Parts, out: list[Outgoing], now_s: float) -> Waits[bool]:
        """After a full disk: the same sync again. False: it is full still."""
        if now_s < self.retry_at_s:
            return False
        try:
            yield self._sync
        except DiskFullError:
            self.retry_at_s = now_s + DISK_FULL_RETRY_S
            return False
        self.is_full = False
        work, self._stuck = self._stuck, None
        if work is not None:
            yield from self._finish(parts, work, out, now_s)
        return True

    def _write(self, work: Work) -> None:
        journal = self._journal
        if work.truncate_from is not None:
            journal.truncate(work.truncate_from)
        if work.entries:
            journal.append(work.entries)
        if work.ballot is not None:
            journal.set_ballot(work.ballot.term, work.ballot.vote)

    def _sync(self) -> None:
        self._at_point("before-sync")
        self._journal.sync()
        self._at_point("after-sync")

    def _finish(
        self, parts: Parts, work: Work, out: list[Outgoing], now_s: float
    ) -> Waits[None]:
        core = parts.core
        core.persisted(work)
        out.extend(work.messages)
        out.extend(self._requests.farewells(core, work))
        for wanted in work.snapshots_wanted:
            try:
                data = self._store.read(wanted.meta, wanted.offset, wanted.bytes_max)
            except FileNotFoundError:
                continue  # a newer one is being installed; the core asks again
            out.append((wanted.peer, core.snapshot_chunk(wanted, data)))
            parts.snapshotting.sending(now_s)
        if work.chunk is not None:
            yield from parts.installing.receive(work.chunk, now_s)
        if work.reads:
            self._requests.reads_done(work.reads)
