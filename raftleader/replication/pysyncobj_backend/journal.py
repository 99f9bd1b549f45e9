"""Our journal in the shape that PySyncObj expects."""

from __future__ import annotations

import pysyncobj.journal

from raftleader.replication.entries import Entry
from raftleader.replication.journal import Journal, whole_log

_Row = tuple[bytes, int, int]


def _row(entry: Entry) -> _Row:
    return entry.data, entry.index, entry.term


class LibraryJournal(pysyncobj.journal.Journal):  # type: ignore[misc]
    """Passes the library's calls on; nothing is durable before ``Journal.sync``.
    Keeps the entries in memory, which the journal does not.

    The library begins every log with a no-op of term 0 at index 1, so entry ``i``
    stands at position ``i - 1``. The commit index is not kept: a node that starts
    knows only what its leader, or its own majority, tells it.
    """

    def __init__(self, inner: Journal) -> None:
        recovered = whole_log(inner)
        self.inner = inner
        self.entries = recovered.entries
        self._term, self._vote = recovered.term, recovered.vote

    def add(self, command: bytes, idx: int, term: int) -> None:
        entry = Entry(command, idx, term)
        self.inner.append([entry])
        self.entries.append(entry)

    def deleteEntriesFrom(self, entryFrom: int) -> None:
        self.inner.truncate(self.entries[entryFrom].index)
        del self.entries[entryFrom:]

    def clear(self) -> None:
        raise AssertionError("there is no compaction: nothing clears the log")

    def deleteEntriesTo(self, entryTo: int) -> None:
        raise AssertionError("there is no compaction: nothing shortens the log")

    def __getitem__(self, item: int | slice) -> _Row | list[_Row]:
        if isinstance(item, slice):
            return [_row(entry) for entry in self.entries[item]]
        return _row(self.entries[item])

    def __len__(self) -> int:
        return len(self.entries)

    def _destroy(self) -> None:
        """Whoever opened the journal closes it."""

    def setRaftCommitIndex(self, raftCommitIndex: int) -> None:
        """Not kept."""

    def getRaftCommitIndex(self) -> int:
        return 1

    def setCurrentTerm(self, term: int, votedForNodeId: str | None) -> None:
        self.inner.set_ballot(term, votedForNodeId)
        self._term, self._vote = term, votedForNodeId

    def getCurrentTerm(self) -> int:
        return self._term

    def getVotedForNodeId(self) -> str | None:
        return self._vote
