"""Mutants of the engine ``pysyncobj``: it does without one of the guards again that
close the losses of the library (``docs/pysyncobj.md``)."""

from __future__ import annotations

from chaos.zoo.patch import Patch, Patches
from raftleader.replication.journal import Journal
from raftleader.replication.pysyncobj_backend.guards import GuardedSyncObj


def _truncate_always(
    self: GuardedSyncObj, entries: list[tuple[int, bytes]], *, after: int
) -> None:
    """P: everything behind the place of an append is dropped."""
    if len(self._entries) > after:
        self._SyncObj__deleteEntriesFrom(after + 1)
    _take(self, entries, after=after)


def _sync_now_and_then(self: Journal) -> None:
    """W, nearly: three of four syncs are left to a later step."""
    late = getattr(self, "late", 0)
    self.late = (late + 1) % 4  # type: ignore[attr-defined]
    if late == 3:
        _sync(self)


_take = GuardedSyncObj._take
_sync = Journal.sync

MUTANTS: Patches = {
    "pysyncobj-truncates": (Patch(GuardedSyncObj, "_take", _truncate_always),),
    "pysyncobj-syncs-late": (Patch(Journal, "sync", _sync_now_and_then),),
}
