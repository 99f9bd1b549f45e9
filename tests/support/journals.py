"""A journal on a simulated disk, and what it must hold, kept beside it."""

from __future__ import annotations

import random

import attrs

from chaos.sim.disk import SimDisk
from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.entries import Entry
from raftleader.replication.journal import Journal, Recovered
from raftleader.replication.journal.reading import segment_name

DIRECTORY = "data/journal"
SEGMENT_BYTES = 1024
"""Small, so that a few entries need several."""


def make_disk(seed: object = 1) -> SimDisk:
    """A disk whose chance is that seed."""
    return SimDisk(random.Random(f"disk {seed}"))


def open_journal(
    disk: SimDisk,
    *,
    cluster_id: str = "c1",
    node_id: str = "n1",
    engine: str = "raft",
    segment_bytes: int = SEGMENT_BYTES,
    instance: str = "i1",
) -> Journal:
    """The journal of these tests."""
    return Journal.open(
        DIRECTORY,
        cluster_id=cluster_id,
        node_id=node_id,
        engine=engine,
        disk=disk,
        segment_bytes=segment_bytes,
        draw_instance=lambda: instance,
    )


def recover(disk: SimDisk, **options: object) -> Recovered:
    """Open it, look, and let go without a change."""
    journal = open_journal(disk, **options)  # type: ignore[arg-type]
    recovered = journal.recovered
    journal.abandon()
    return recovered


def disk_with(*segments: bytes) -> SimDisk:
    """A disk with a journal of these segments, whatever is in them."""
    disk = make_disk()
    disk.make_directory(DIRECTORY)
    for sequence, content in enumerate(segments, start=1):
        path = f"{DIRECTORY}/{segment_name(sequence)}"
        disk.open(path, create=True).write(0, content)
    return disk


def open_or_refuse(disk: SimDisk) -> bool:
    """Open what is there, check that it makes sense, and use it; or see it refused.

    Any other error than a refusal goes up."""
    try:
        journal = open_journal(disk)
    except (JournalDamagedError, ConfigError):
        return False
    recovered = journal.recovered
    indexes = [entry.index for entry in recovered.entries]
    first = recovered.base_index + 1
    assert indexes == list(range(first, first + len(indexes)))
    assert journal.last_index == first + len(indexes) - 1
    journal.append([Entry(b"usable", journal.last_index + 1, recovered.term)])
    journal.close()
    assert recover(disk).entries[-1].data == b"usable"
    return True


@attrs.frozen
class State:
    """What a journal says; entries as (index, term, data)."""

    term: int = 0
    vote: str | None = None
    base: tuple[int, int] = (0, 0)
    entries: tuple[Entry, ...] = ()
    notes: tuple[tuple[str, bytes], ...] = ()

    @property
    def last_index(self) -> int:
        return self.entries[-1].index if self.entries else self.base[0]

    def after(self, base_index: int) -> State:
        """This, without what is up to ``base_index``."""
        if base_index <= self.base[0]:
            return self
        at_base = next(one for one in self.entries if one.index == base_index)
        later = tuple(one for one in self.entries if one.index > base_index)
        return attrs.evolve(self, base=(base_index, at_base.term), entries=later)


def state_of(recovered: Recovered) -> State:
    return State(
        recovered.term,
        recovered.vote,
        (recovered.base_index, recovered.base_term),
        tuple(recovered.entries),
        tuple(sorted(recovered.notes.items())),
    )


@attrs.define
class WatchedJournal:
    """A journal and its model: ``synced`` is promised, ``current`` is what waits too.

    After a crash either may be there, and nothing else; and of the beginning as much
    may be gone as ``drop_before`` allowed.
    """

    disk: SimDisk
    journal: Journal = attrs.field(init=False)
    synced: State = State()
    current: State = State()
    dropped_before: int = 0

    def open(self) -> None:
        """Open it, check what is there, and go on from that."""
        self.journal = open_journal(self.disk)
        found = state_of(self.journal.recovered)
        promised = []
        for state in (self.synced, self.current):
            base_index = found.base[0]
            if base_index <= max(state.base[0], self.dropped_before - 1):
                promised.append(state.after(base_index))
        assert found in promised, (found, promised)
        self.synced = self.current = found

    def append(self, count: int, *, term: int, size: int = 10) -> None:
        first = self.current.last_index + 1
        entries = [
            Entry(b"%d/%d " % (index, term) + bytes(size), index, term)
            for index in range(first, first + count)
        ]
        self.journal.append(entries)
        everything = (*self.current.entries, *entries)
        self.current = attrs.evolve(self.current, entries=everything)

    def truncate(self, from_index: int) -> None:
        self.journal.truncate(from_index)
        kept = tuple(one for one in self.current.entries if one.index < from_index)
        self.current = attrs.evolve(self.current, entries=kept)

    def set_ballot(self, term: int, vote: str | None) -> None:
        self.journal.set_ballot(term, vote)
        self.current = attrs.evolve(self.current, term=term, vote=vote)

    def note(self, key: str, value: bytes) -> None:
        self.journal.note(key, value)
        notes = tuple(sorted((dict(self.current.notes) | {key: value}).items()))
        self.current = attrs.evolve(self.current, notes=notes)

    def reset(self, base_index: int, base_term: int) -> None:
        self.journal.reset(base_index, base_term)
        base = (base_index, base_term)
        self.current = attrs.evolve(self.current, base=base, entries=())

    def sync(self) -> None:
        self.journal.sync()
        self.synced = self.current

    def drop_before(self, index: int) -> None:
        self.dropped_before = max(self.dropped_before, index)
        self.journal.drop_before(index)
        base_index = self.journal.first_index - 1
        self.current = self.current.after(base_index)
        self.synced = self.synced.after(base_index)
