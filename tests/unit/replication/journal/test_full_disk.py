"""A full disk keeps everything waiting; a disk that fails ends the journal."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.journals import (
    DIRECTORY,
    SEGMENT_BYTES,
    State,
    WatchedJournal,
    make_disk,
    open_journal,
    recover,
    state_of,
)

from chaos.sim.disk import SimDisk, SimFile
from raftleader.errors import DiskFullError
from raftleader.replication.entries import Entry


def fill_segment(watched: WatchedJournal) -> None:
    watched.append(2, term=1, size=400)
    watched.sync()


@pytest.mark.parametrize("room_bytes", [0, 10, SEGMENT_BYTES - 1])
def test_journal_waits_when_no_segment_can_be_made_and_goes_on_later(
    room_bytes: int,
) -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    fill_segment(watched)
    watched.disk.room_bytes = room_bytes
    watched.append(2, term=1, size=300)
    for attempt in range(3):
        watched.set_ballot(attempt, "n1")
        with pytest.raises(DiskFullError, match="no room for the journal") as full:
            watched.sync()
        assert full.value.definite
        assert watched.journal.is_dirty
        assert len(watched.disk.list(DIRECTORY)) == 1
    watched.disk.room_bytes = None
    watched.sync()
    watched.append(1, term=2)
    watched.sync()
    watched.disk.crash()
    watched.open()
    assert watched.current.last_index == 5


def test_journal_that_waits_for_room_loses_nothing_when_the_power_goes() -> None:
    for seed in range(20):
        watched = WatchedJournal(make_disk(seed))
        watched.open()
        fill_segment(watched)
        watched.disk.room_bytes = 0
        watched.append(2, term=1, size=300)
        with pytest.raises(DiskFullError):
            watched.sync()
        watched.disk.crash()
        watched.disk.room_bytes = None
        watched.open()
        assert watched.current.last_index == 2


def test_journal_on_a_full_disk_writes_where_it_has_room() -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    watched.disk.room_bytes = 0
    watched.append(3, term=1)
    watched.sync()
    watched.disk.crash()
    watched.open()
    assert watched.current.last_index == 3


def test_journal_tries_again_at_the_same_place_when_a_write_found_no_room() -> None:
    """On a file system that cannot reserve; a part of the batch may be there."""
    for seed in range(20):
        watched = WatchedJournal(make_disk(seed))
        watched.open()
        watched.append(1, term=1)
        watched.sync()
        watched.journal.close()
        (name,) = watched.disk.list(DIRECTORY)
        watched.disk.open(f"{DIRECTORY}/{name}").truncate(watched.journal.size_bytes)
        watched.open()  # finds a segment that is no longer than what is in it
        watched.disk.room_bytes = seed
        watched.append(2, term=1, size=50)
        with pytest.raises(DiskFullError):
            watched.sync()
        if seed % 2:
            watched.disk.crash()
            watched.disk.room_bytes = None
            watched.open()
            continue
        watched.append(1, term=1)
        watched.disk.room_bytes = None
        watched.sync()
        watched.disk.crash()
        watched.open()
        assert watched.current.last_index == 4


def test_journal_goes_on_in_another_segment_when_a_write_found_no_room() -> None:
    """What the write left must not be taken for damage, nor for a batch."""
    for seed in range(60):
        watched = WatchedJournal(make_disk(seed))
        watched.open()
        watched.append(1, term=1)
        watched.sync()
        watched.journal.close()
        (name,) = watched.disk.list(DIRECTORY)
        watched.disk.open(f"{DIRECTORY}/{name}").truncate(watched.journal.size_bytes)
        watched.open()
        watched.append(2, term=1, size=50)
        if seed % 2:
            watched.disk.room_bytes = seed
            with pytest.raises(DiskFullError):
                watched.sync()
        else:
            with full_after_the_write(), pytest.raises(DiskFullError):
                watched.sync()
        watched.disk.room_bytes = None
        watched.append(2, term=1, size=SEGMENT_BYTES)
        watched.sync()
        assert len(watched.disk.list(DIRECTORY)) == 2
        watched.disk.crash()
        watched.open()
        assert watched.current.last_index == 5


@contextmanager
def full_after_the_write() -> Iterator[None]:
    """Writes say that there is no room, though they are done."""
    write = SimFile.write

    def write_and_refuse(self: SimFile, offset: int, data: bytes) -> None:
        write(self, offset, data)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimFile, "write", write_and_refuse)
        yield


def test_journal_frees_room_on_a_full_disk() -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    for _ in range(3):
        fill_segment(watched)
    watched.disk.room_bytes = 0
    watched.append(2, term=1, size=400)
    with pytest.raises(DiskFullError):
        watched.sync()
    watched.drop_before(5)
    watched.sync()
    watched.disk.crash()
    watched.open()
    assert watched.current.last_index == 8


def test_journal_cannot_be_made_on_a_full_disk() -> None:
    disk = make_disk()
    disk.room_bytes = 0
    with pytest.raises(DiskFullError):
        open_journal(disk)
    disk.room_bytes = None
    open_journal(disk).close()
    assert disk.list(DIRECTORY) == ["segment-0000000000000001"]


def test_close_says_that_what_waited_was_lost_for_want_of_room() -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    fill_segment(watched)
    watched.disk.room_bytes = 0
    watched.append(2, term=1, size=400)
    with pytest.raises(DiskFullError):
        watched.journal.close()
    watched.disk.room_bytes = None
    watched.open()
    assert watched.current.last_index == 2


def test_journal_is_dead_after_a_failed_sync() -> None:
    disk = make_disk()
    journal = open_journal(disk)
    disk.fail_next_sync()
    journal.append([Entry(b"x", 1, 1)])
    with pytest.raises(OSError, match="Input/output"):
        journal.sync()
    before = disk.operations
    with pytest.raises(OSError, match="takes nothing more: an earlier write failed"):
        journal.sync()
    with pytest.raises(OSError, match="takes nothing more"):
        journal.append([Entry(b"y", 2, 1)])
    with pytest.raises(OSError, match="takes nothing more"):
        journal.drop_before(1)
    journal.close()
    assert disk.operations == before


def test_journal_shows_nothing_whose_sync_failed_to_the_next_process() -> None:
    """It is in the page cache, and a later sync would call it durable."""
    disk = make_disk()
    journal = open_journal(disk)
    journal.append([Entry(b"synced", 1, 1)])
    journal.sync()
    journal.append([Entry(b"refused", 2, 1)])
    disk.fail_next_sync()
    with pytest.raises(OSError, match="Input/output"):
        journal.sync()
    journal.close()
    disk.kill()
    expected = State(entries=(Entry(b"synced", 1, 1),))
    assert state_of(recover(disk)) == expected
    disk.crash()
    assert state_of(recover(disk)) == expected


@pytest.mark.parametrize("is_sync", [True, False])
def test_journal_is_dead_when_a_new_segment_fails_for_good(is_sync: bool) -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    fill_segment(watched)
    watched.append(2, term=1, size=400)
    if is_sync:
        watched.disk.fail_next_sync()
    else:
        watched.disk.fail_next_write()
    with pytest.raises(OSError, match="Input/output"):
        watched.sync()
    with pytest.raises(OSError, match="takes nothing more"):
        watched.sync()
    watched.journal.close()
    assert len(watched.disk.list(DIRECTORY)) == 1
    watched.open()
    assert watched.current.last_index == 2


class NoDirectorySync(SimDisk):
    """Fails to sync directories while told so."""

    is_failing = False

    def sync_directory(self, path: str) -> None:
        if self.is_failing:
            raise OSError(errno.EIO, "Input/output error", path)
        super().sync_directory(path)


def test_journal_is_dead_when_a_directory_cannot_be_synced() -> None:
    watched = WatchedJournal(NoDirectorySync(make_disk().rng))
    watched.open()
    for _ in range(3):
        fill_segment(watched)
    watched.disk.is_failing = True
    with pytest.raises(OSError, match="Input/output"):
        watched.drop_before(5)
    with pytest.raises(OSError, match="takes nothing more"):
        watched.append(1, term=1)
    watched.journal.close()
    watched.disk.is_failing = False
    watched.open()
    assert watched.journal.first_index == 3


def test_full_sync_itself_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room at fdatasync (NFS, a thin volume) leaves pages nobody knows of."""
    disk = make_disk()
    journal = open_journal(disk)
    journal.append([Entry(b"x", 1, 1)])

    def sync(self: SimFile) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SimFile, "sync", sync)
    with pytest.raises(OSError, match="No space left"):
        journal.sync()
    with pytest.raises(OSError, match="takes nothing more"):
        journal.sync()
