"""The log in memory: what follows the base, and how far it is on disk.

    base_index          stable_index     taken_index     last_index
    ...compacted | entries on disk | given to the driver | not yet

Everything up to ``stable_index`` is on disk; up to ``taken_index`` it was handed to
the driver. Entries are never changed, only cut off at the end by ``truncate`` or
forgotten at the beginning by ``forget_until``. Nothing here costs time per entry but
``append``; places are found by bisection, since terms never fall along a log.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import attrgetter

from raftleader.replication.entries import CONFIGURATION, Entry
from raftleader.replication.raft.configuration import (
    Configuration,
    read_configuration,
)
from raftleader.replication.raft.messages import SnapshotMeta

ENTRY_OVERHEAD_BYTES = 16
"""What an entry costs in a message beside its data, at most."""

_term_of = attrgetter("term")


class Log:
    """See the module. Indexes count from 1; index 0 is before the first entry.

    Attributes:
        base_index: The last entry that is forgotten, or 0. It is committed.
        base_term: Its term.
        truncate_from: Entries from here on were handed to the driver and do not hold
            any more; None if there are none. The driver is told with the next work.
    """

    def __init__(
        self,
        *,
        base_index: int,
        base_term: int,
        entries: Sequence[Entry],
        configuration: Configuration,
    ) -> None:
        self.base_index = base_index
        self.base_term = base_term
        self.last_index = base_index
        self.truncate_from: int | None = None
        self._entries: list[Entry] = []
        # _ends[i]: bytes of all entries up to and with _entries[i], ever appended.
        self._ends: list[int] = []
        self._forgotten_bytes = 0
        # (index, configuration in force from there on), the first for the base.
        self._configurations = [(base_index, configuration)]
        self.append(entries, find_configurations(entries))
        self.taken_index = self.stable_index = self.last_index

    # --- looking ------------------------------------------------------------------

    @property
    def last_term(self) -> int:
        return self._entries[-1].term if self._entries else self.base_term

    def holds(self, index: int) -> bool:
        """Whether the term at ``index`` is known here."""
        return self.base_index <= index <= self.last_index

    def term_at(self, index: int) -> int:
        """The term of the entry, or of the base. Raises IndexError for others."""
        if index == self.base_index:
            return self.base_term
        if not self.holds(index):
            raise IndexError(index)
        return self._entries[index - self.base_index - 1].term

    def matches(self, index: int, term: int) -> bool:
        """Whether the entry ``index`` is here and of ``term``."""
        return self.holds(index) and self.term_at(index) == term

    def is_same(self, entry: Entry) -> bool:
        """Whether this very entry is still in the log."""
        place = entry.index - self.base_index - 1
        return 0 <= place < len(self._entries) and self._entries[place] is entry

    def is_covered_by(self, last_term: int, last_index: int) -> bool:
        """Whether a log that ends there has everything that this one may have
        committed (section 3.6.1): its end is not older than ours."""
        return (last_term, last_index) >= (self.last_term, self.last_index)

    def slice(self, first: int, last: int) -> list[Entry]:
        """Entries ``first`` to ``last``, both included and both held."""
        if first <= self.base_index:
            raise IndexError(first)
        return self._entries[first - self.base_index - 1 : last - self.base_index]

    def batch(self, first: int, bytes_max: int) -> tuple[int, int]:
        """The last index of a message that begins with entry ``first``, and the
        bytes of it: as many entries as fit ``bytes_max``, but at least one."""
        place = first - self.base_index - 1
        before = self._ends[place - 1] if place else self._forgotten_bytes
        end = max(bisect_right(self._ends, before + bytes_max, place), place + 1)
        return self.base_index + end, self._ends[end - 1] - before

    def last_until(self, index: int, term: int) -> int:
        """The last index, not after ``index``, with a term that is not after
        ``term``; one before the base if there is none."""
        index = min(index, self.last_index)
        if index <= self.base_index:
            return index
        end = index - self.base_index
        place = bisect_right(self._entries, term, 0, end, key=_term_of)
        if place or self.base_term <= term:
            return self.base_index + place
        return self.base_index - 1

    def first_conflict(
        self, after: int, entries: Sequence[tuple[int, bytes]]
    ) -> int | None:
        """The first index at which ``entries``, which follow index ``after``, have
        another term than this log; None if they agree as far as both reach.

        By bisection: equal terms at one index mean equal logs up to there (3.5).
        """
        common = min(len(entries), self.last_index - after)
        offset = after - self.base_index
        mine = self._entries
        if common <= 0 or mine[offset + common - 1].term == entries[common - 1][0]:
            return None
        place = bisect_left(
            range(common),
            True,
            key=lambda one: mine[offset + one].term != entries[one][0],
        )
        return after + 1 + place

    # --- who is a member ----------------------------------------------------------

    @property
    def configuration(self) -> Configuration:
        """In force: of the last entry that has one, committed or not."""
        return self._configurations[-1][1]

    @property
    def configuration_index(self) -> int:
        """Where it came into force."""
        return self._configurations[-1][0]

    def configuration_at(self, index: int) -> Configuration:
        """What is in force after the entry ``index``; of the base for older ones."""
        place = bisect_right(self._configurations, index, key=lambda one: one[0])
        return self._configurations[max(place - 1, 0)][1]

    # --- changing -----------------------------------------------------------------

    def append(
        self,
        entries: Sequence[Entry],
        configurations: Sequence[tuple[int, Configuration]] = (),
    ) -> None:
        """Add ``entries``, which follow the last one, and those of them that are
        configurations, as ``find_configurations`` has them."""
        end = self._ends[-1] if self._ends else self._forgotten_bytes
        sizes = [len(entry.data) + ENTRY_OVERHEAD_BYTES for entry in entries]
        if sizes:
            sizes[0] += end
        self._ends += accumulate(sizes)
        self._entries += entries
        self.last_index += len(entries)
        self._configurations += configurations

    def truncate(self, index: int) -> None:
        """Drop the entry ``index`` and all after it, and their configurations."""
        place = index - self.base_index - 1
        del self._entries[place:]
        del self._ends[place:]
        self.last_index = index - 1
        self.stable_index = min(self.stable_index, self.last_index)
        if index <= self.taken_index:
            self.taken_index = self.last_index
            if self.truncate_from is None or index < self.truncate_from:
                self.truncate_from = index
        while self._configurations[-1][0] >= index:
            self._configurations.pop()

    def forget_until(self, index: int) -> None:
        """Forget the entries up to ``index``, which becomes the base."""
        if index <= self.base_index:
            return
        self.base_term = self.term_at(index)
        configuration = self.configuration_at(index)
        count = index - self.base_index
        self._forgotten_bytes = self._ends[count - 1]
        del self._entries[:count]
        del self._ends[:count]
        later = [one for one in self._configurations if one[0] > index]
        self._configurations = [(index, configuration), *later]
        self.base_index = index
        self.taken_index = max(self.taken_index, index)
        self.stable_index = max(self.stable_index, index)

    def begin_after(self, meta: SnapshotMeta) -> None:
        """The snapshot ``meta`` is in use: the log begins after it.

        Entries that follow it are kept; there are none if the log does not match at
        the snapshot's place, or does not reach it.
        """
        if self.matches(meta.index, meta.term):
            self.forget_until(meta.index)
        else:
            self._entries.clear()
            self._ends.clear()
            self._forgotten_bytes = 0
            self.base_index = self.last_index = meta.index
            self.base_term = meta.term
            self._configurations.clear()
            self.taken_index = self.stable_index = meta.index
            self.truncate_from = None
        self.use_snapshot(meta)

    def use_snapshot(self, meta: SnapshotMeta) -> None:
        """``meta`` is a snapshot of this log: what was in force before is forgotten."""
        later = [one for one in self._configurations if one[0] > meta.index]
        self._configurations = [(self.base_index, meta.configuration), *later]

    def take(self) -> tuple[Entry, ...]:
        """The entries that the driver has not been given; now it has."""
        if self.taken_index == self.last_index:
            return ()
        taken = self._entries[self.taken_index - self.base_index :]
        self.taken_index = self.last_index
        return tuple(taken)

    def stored(self, entries: Sequence[Entry]) -> None:
        """These, once taken, are on disk. What was cut off since does not count."""
        if entries and self.is_same(entries[-1]):
            self.stable_index = max(self.stable_index, entries[-1].index)


def find_configurations(
    entries: Sequence[Entry],
) -> list[tuple[int, Configuration]]:
    """Those of ``entries`` that are configurations, with their index.

    Raises msgspec.DecodeError for one that cannot be read.
    """
    return [
        (entry.index, read_configuration(entry.data))
        for entry in entries
        if entry.data[:1] == CONFIGURATION
    ]
