"""Any operations in any order, crashes between: the journal agrees with its model."""

from __future__ import annotations

import errno

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from support.journals import WatchedJournal, make_disk

from chaos.sim.disk import PowerCut
from raftleader.errors import DiskFullError


class JournalLife(RuleBasedStateMachine):
    """One directory through many lives of its node."""

    watched: WatchedJournal
    is_open = False

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.watched = WatchedJournal(make_disk(seed))
        self.open()

    def open(self) -> None:
        self.watched.open()
        self.is_open = True

    def crash(self) -> None:
        self.watched.disk.crash()
        self.watched.disk.room_bytes = None
        self.open()

    @rule(count=st.integers(1, 9), step=st.integers(0, 2), size=st.integers(0, 300))
    def append(self, count: int, step: int, size: int) -> None:
        current = self.watched.current
        last_term = current.entries[-1].term if current.entries else current.base[1]
        self.watched.append(count, term=last_term + step, size=size)

    @rule(part=st.floats(0, 1, exclude_max=True))
    def truncate(self, part: float) -> None:
        # What a snapshot stands for is committed, and never truncated.
        first = max(self.watched.journal.first_index, self.watched.dropped_before)
        last = self.watched.journal.last_index
        if first <= last:
            self.watched.truncate(first + int(part * (last - first + 1)))

    @rule(step=st.integers(0, 3), vote=st.sampled_from([None, "n1", "n2"]))
    def set_ballot(self, step: int, vote: str | None) -> None:
        self.watched.set_ballot(self.watched.current.term + step, vote)

    @rule(key=st.sampled_from("ab"), value=st.binary(max_size=20))
    def note(self, key: str, value: bytes) -> None:
        self.watched.note(key, value)

    @rule(step=st.integers(0, 20))
    def reset(self, step: int) -> None:
        current = self.watched.current
        index = max(current.last_index, self.watched.dropped_before) + step
        self.watched.reset(index, current.term)

    @rule()
    def sync(self) -> None:
        try:
            self.watched.sync()
        except DiskFullError:
            assert self.watched.disk.room_bytes is not None

    @rule(part=st.floats(0, 1))
    def drop(self, part: float) -> None:
        """Up to what is synced, as a durable snapshot could be."""
        synced, journal = self.watched.synced, self.watched.journal
        last = min(synced.last_index, journal.last_index)
        if synced.base[0] <= journal.first_index - 1 <= last:
            first = journal.first_index
            self.watched.drop_before(first + int(part * (last - first + 1)))

    @rule(room_bytes=st.sampled_from([None, 0, 500, 5000]))
    def fill_disk(self, room_bytes: int | None) -> None:
        self.watched.disk.room_bytes = room_bytes

    @rule()
    def end_in_order(self) -> None:
        try:
            self.watched.journal.close()
        except DiskFullError:
            assert self.watched.disk.room_bytes is not None
        else:
            self.watched.synced = self.watched.current
        self.watched.disk.room_bytes = None
        self.open()

    @rule()
    def kill(self) -> None:
        self.watched.disk.kill()
        self.watched.disk.room_bytes = None
        self.open()

    @rule()
    def cut_power(self) -> None:
        self.crash()

    @rule(operation=st.integers(1, 8), action=st.sampled_from(["sync", "drop"]))
    def cut_power_in_the_middle(self, operation: int, action: str) -> None:
        self.watched.disk.cut_power_in(operation)
        try:
            if action == "drop":
                self.drop(1.0)
            self.watched.sync()
        except DiskFullError:
            pass
        except PowerCut:
            self.crash()
            return
        self.watched.disk.cut_power_in(1)
        self.crash()

    @rule(operation=st.integers(1, 6))
    def cut_power_while_it_opens(self, operation: int) -> None:
        self.watched.disk.crash()
        self.watched.disk.room_bytes = None
        self.watched.disk.cut_power_in(operation)
        try:
            self.watched.open()
        except PowerCut:
            pass
        self.crash()

    @precondition(lambda self: self.watched.disk.room_bytes is None)
    @rule()
    def fail_sync(self) -> None:
        if not self.watched.journal.is_dirty:
            return
        self.watched.disk.fail_next_sync()
        try:
            self.watched.sync()
        except OSError as error:
            assert error.errno == errno.EIO
        else:
            raise AssertionError("a failed sync was no failure")
        self.watched.journal.close()
        self.open()

    @invariant()
    def the_journal_is_what_it_should_be(self) -> None:
        if not self.is_open:
            return
        current, journal = self.watched.current, self.watched.journal
        assert journal.last_index == current.last_index
        assert journal.first_index <= current.last_index + 1
        assert journal.is_dirty or current == self.watched.synced


JournalLife.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestJournalLife = JournalLife.TestCase
