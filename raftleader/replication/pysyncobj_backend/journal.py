"""Our journal in the shape that PySyncObj expects."""

from __future__ import annotations

import pysyncobj.journal

from raftleader.errors import ConfigError
from raftleader.replication.entries import Entry
from raftleader.replication.old_journal import Journal

_Row = tuple[bytes, int, int]


def _row(entry: Entry) -> _Row:
    return entry.data, entry.index, entry.term


class LibraryJournal(pysyncobj.journal.Journal):  # type: ignore[misc]
    """Passes the library's calls on; nothing is durable before ``Journal.sync``.

    The library begins every log with a no-op of term 0 at index 1, so entry ``i``
    stands at position ``i - 1``. The commit index is not kept: a node that starts
    knows only what its leader, or its own majority, tells it.
    """

    def __init__(self, inner: Journal) -> None:
        self.inner = inner
        if inner.entries and _row(inner.entries[0])[1:] != (1, 0):
            raise ConfigError(f"journal {inner.path} was written by another engine")

    def add(self, command: bytes, idx: int, term: int) -> None:
        self.inner.append(idx, term, command)

    def deleteEntriesFrom(self, entryFrom: int) -> None:
        self.inner.truncate(self.inner.entries[entryFrom].index)

    def clear(self) -> None:
        raise AssertionError("there is no compaction: nothing clears the log")

    def deleteEntriesTo(self, entryTo: int) -> None:
        raise AssertionError("there is no compaction: nothing shortens the log")

    def __getitem__(self, item: int | slice) -> _Row | list[_Row]:
        if isinstance(item, slice):
            return [_row(entry) for entry in self.inner.entries[item]]
        return _row(self.inner.entries[item])

    def __len__(self) -> int:
        return len(self.inner.entries)

    def _destroy(self) -> None:
        """Whoever opened the journal closes it."""

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:
        """Not kept."""

    def getRaftCommitIndex(self) -> int:
        return 1

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:
        self.inner.set_meta(term, votedForNodeId)

    def getCurrentTerm(self) -> int:
        return self.inner.term

    def getVotedForNodeId(self) -> str | None:
        return self.inner.vote
