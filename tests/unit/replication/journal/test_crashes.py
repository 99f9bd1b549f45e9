"""The power goes in any operation: what was synced is there, and nothing half."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.journals import WatchedJournal, make_disk

from chaos.sim.disk import PowerCut

Script = Callable[[WatchedJournal], None]


def write_and_roll(watched: WatchedJournal) -> None:
    watched.set_ballot(1, "n1")
    watched.sync()
    for number in range(6):
        watched.append(3, term=1, size=60)
        watched.note("number", b"%d" % number)
        watched.sync()


def truncate_over_segments(watched: WatchedJournal) -> None:
    watched.append(8, term=1, size=80)
    watched.sync()
    watched.append(8, term=2, size=80)
    watched.sync()
    watched.truncate(7)
    watched.set_ballot(3, "n2")
    watched.append(2, term=3)
    watched.sync()
    watched.drop_before(7)
    watched.append(9, term=3, size=90)
    watched.sync()
    watched.drop_before(12)


def drop(watched: WatchedJournal) -> None:
    for _ in range(8):
        watched.append(4, term=1, size=100)
        watched.sync()
    watched.append(1, term=2)
    watched.drop_before(9)
    watched.sync()
    watched.drop_before(33)


def reset(watched: WatchedJournal) -> None:
    for term in (1, 2, 3):
        watched.append(6, term=term, size=100)
        watched.sync()
    watched.reset(40, 5)
    watched.note("why", b"a snapshot came")
    watched.sync()
    watched.append(2, term=6)
    watched.sync()
    watched.reset(60, 6)
    watched.append(20, term=6, size=100)
    watched.sync()


SCRIPTS: list[Script] = [write_and_roll, truncate_over_segments, drop, reset]


def count_operations(script: Script) -> int:
    watched = WatchedJournal(make_disk())
    watched.open()
    script(watched)
    watched.journal.close()
    watched.open()
    return watched.disk.operations


@pytest.mark.parametrize("script", SCRIPTS)
def test_journal_loses_nothing_synced_wherever_the_power_goes(script: Script) -> None:
    cuts = 0
    for operation in range(1, count_operations(script) + 1):
        for seed in range(6):
            watched = WatchedJournal(make_disk(seed))
            watched.disk.cut_power_in(operation)
            try:
                watched.open()
                script(watched)
                watched.journal.close()
                watched.open()
            except PowerCut:
                cuts += 1
                watched.disk.crash()
                watched.open()
            # It goes on as if nothing had been.
            watched.append(3, term=9, size=200)
            watched.sync()
            watched.disk.crash()
            watched.open()
    assert cuts >= 6 * 10


@pytest.mark.parametrize("script", SCRIPTS)
def test_journal_loses_nothing_when_the_power_goes_again_while_it_is_mended(
    script: Script,
) -> None:
    cuts = 0
    for operation in range(1, count_operations(script) + 1, 2):
        for second in range(1, 6):
            watched = WatchedJournal(make_disk((operation, second)))
            watched.disk.cut_power_in(operation)
            try:
                watched.open()
                script(watched)
            except PowerCut:
                watched.disk.crash()
            else:
                watched.disk.crash()
            watched.disk.cut_power_in(second)
            try:
                watched.open()
                watched.append(30, term=9, size=100)
                watched.sync()
            except PowerCut:
                cuts += 1
                watched.disk.crash()
                watched.open()
    assert cuts >= 10


def test_journal_relies_on_nothing_that_a_killed_process_did_not_sync() -> None:
    """The page cache shows it to the next process, and the next power cut takes it."""
    for seed in range(20):
        watched = WatchedJournal(make_disk(seed))
        watched.open()
        watched.append(2, term=1)
        watched.disk.cut_power_in(2)  # the sync, not the write
        with pytest.raises(PowerCut):
            watched.sync()
        watched.disk.restore_power()
        watched.open()
        assert watched.current.last_index == 2
        watched.disk.crash()
        watched.open()
        assert watched.current.last_index == 2


def test_journal_relies_on_no_name_that_a_killed_process_did_not_sync() -> None:
    for seed in range(20):
        watched = WatchedJournal(make_disk(seed))
        watched.open()
        watched.append(2, term=1, size=400)
        watched.sync()
        watched.append(2, term=1, size=400)  # needs another segment
        watched.disk.cut_power_in(6)  # the sync of the directory
        with pytest.raises(PowerCut):
            watched.sync()
        watched.disk.restore_power()
        watched.open()
        assert watched.current.last_index == 4
        watched.disk.crash()
        watched.open()
        assert watched.current.last_index == 4
