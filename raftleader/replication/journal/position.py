"""What the records of a journal say together, the entries themselves left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from raftleader.replication.entries import Entry
from raftleader.replication.journal.format import (
    BallotCast,
    Entries,
    Note,
    Opening,
    Record,
    Reset,
    Truncate,
)

_term_of = attrgetter("term")


class LogPosition:
    """Where the log begins and ends, the ballot, and the notes.

    The same for whoever writes records and whoever reads them back. Methods raise
    ValueError, with nothing changed, for a record that cannot follow.

    Attributes:
        base_index: The log begins after this entry, which is of ``base_term``.
        last_index: Its last entry; ``base_index`` if it is empty.
    """

    def __init__(self) -> None:
        self.term = 0
        self.vote: str | None = None
        self.base_index = 0
        self.base_term = 0
        self.last_index = 0
        self.notes: dict[str, bytes] = {}
        self._runs: list[tuple[int, int]] = []
        """(first index, term) of each run of entries of one term, in order."""

    @property
    def last_term(self) -> int:
        """Term of the last entry, or of the base."""
        return self._runs[-1][1] if self._runs else self.base_term

    def apply(self, record: Record) -> None:
        """Take one record of the stream but an opening."""
        if isinstance(record, Entries):
            self.append(record.first_index, record.term, len(record.datas))
        elif isinstance(record, Truncate):
            self.truncate(record)
        elif isinstance(record, BallotCast):
            self.cast(record.term, record.vote)
        elif isinstance(record, Reset):
            self.reset(record.base_index, record.base_term)
        elif isinstance(record, Note):
            self.notes[record.key] = record.value
        else:
            raise ValueError("an opening in the middle of a segment")

    def append(self, first_index: int, term: int, count: int) -> None:
        """``count`` entries of ``term`` follow."""
        if first_index != self.last_index + 1:
            raise ValueError(f"entry {first_index} after entry {self.last_index}")
        if count and (not self._runs or self._runs[-1][1] != term):
            self._runs.append((first_index, term))
        self.last_index += count

    def truncate(self, record: Truncate) -> None:
        """Entries are dropped, maybe some of before our base, if those are gone."""
        index = record.from_index
        if index > self.last_index:
            raise ValueError(f"no entry {index} to truncate from")
        if index <= self.base_index:
            self.reset(index - 1, record.last_term)
            return
        while self._runs and self._runs[-1][0] >= index:
            self._runs.pop()
        self.last_index = index - 1

    def cast(self, term: int, vote: str | None) -> None:
        """A term never goes down."""
        if term < self.term:
            raise ValueError(f"term {term} after term {self.term}")
        self.term, self.vote = term, vote

    def reset(self, base_index: int, base_term: int) -> None:
        """The log is empty and begins after ``base_index``."""
        self.base_index, self.base_term = base_index, base_term
        self.last_index = base_index
        self._runs.clear()

    def forget_before(self, base_index: int) -> None:
        """The log begins later: the entries up to ``base_index`` are gone."""
        if base_index <= self.base_index:
            return
        base_term, first = self.term_at(base_index), base_index + 1
        runs: list[tuple[int, int]] = []
        if first <= self.last_index:
            runs = [(first, self.term_at(first))]
            runs += [run for run in self._runs if run[0] > first]
        self._runs = runs
        self.base_index, self.base_term = base_index, base_term

    def term_at(self, index: int) -> int:
        """Term of the entry ``index``, from the base to the last."""
        if not self.base_index <= index <= self.last_index:
            raise ValueError(f"no entry {index}")
        term = self.base_term
        for first, run_term in self._runs:
            if first > index:
                break
            term = run_term
        return term

    def opening(self, previous_end: int) -> Opening:
        """All this, as the next segment shall begin."""
        return Opening(
            previous_end=previous_end,
            term=self.term,
            vote=self.vote,
            last_index=self.last_index,
            last_term=self.last_term,
            notes=dict(self.notes),
        )

    def begin_at(self, opening: Opening) -> None:
        """Nothing is left of before this opening: take its word for it."""
        self.term, self.vote = opening.term, opening.vote
        self.notes = dict(opening.notes)
        self.reset(opening.last_index, opening.last_term)


def entry_records(entries: Sequence[Entry]) -> list[Entries]:
    """The records that hold these entries."""
    if len(entries) == 1:  # most calls, in a cluster that is not busy
        (entry,) = entries
        return [Entries(entry.index, entry.term, [entry.data])]
    records = []
    for term, run in groupby(entries, key=_term_of):
        same_term = list(run)
        datas = [entry.data for entry in same_term]
        records.append(Entries(same_term[0].index, term, datas))
    return records
