"""The journal: what was synced is there again, for its owner alone."""

from __future__ import annotations

import logging

import attrs
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

from raftleader.errors import ConfigError
from raftleader.replication.entries import Entry
from raftleader.replication.journal import format as journal_format
from raftleader.replication.journal import journal as journal_module

SEGMENT_1 = f"{DIRECTORY}/segment-0000000000000001"


def entries(first: int, *datas: bytes, term: int = 1) -> list[Entry]:
    return [Entry(data, index, term) for index, data in enumerate(datas, start=first)]


def test_journal_holds_everything_synced_when_opened_again() -> None:
    disk = make_disk()
    journal = open_journal(disk, instance="drawn once")
    assert state_of(journal.recovered) == State()
    journal.append([Entry(b"\x01", 1, 0), Entry(b"two", 2, 1), Entry(b"", 3, 1)])
    journal.set_ballot(1, "n1")
    journal.note("formed", b"\x00\xff")
    journal.truncate(3)
    journal.set_ballot(2, None)
    journal.append(entries(3, b"three", term=2))
    journal.close()
    again = open_journal(disk, instance="another")
    assert state_of(again.recovered) == State(
        term=2,
        vote=None,
        entries=(Entry(b"\x01", 1, 0), Entry(b"two", 2, 1), Entry(b"three", 3, 2)),
        notes=(("formed", b"\x00\xff"),),
    )
    assert again.recovered.instance == again.instance == "drawn once"
    assert again.recovered.repairs == ()
    assert (again.first_index, again.last_index) == (1, 3)


def test_journal_keeps_only_synced_records_when_abandoned() -> None:
    disk = make_disk()
    journal = open_journal(disk)
    journal.append(entries(1, b"synced"))
    journal.sync()
    assert not journal.is_dirty
    journal.append(entries(2, b"not synced"))
    assert journal.is_dirty
    journal.abandon()
    journal.abandon()
    with pytest.raises(OSError, match="takes nothing more: it is closed"):
        journal.append(entries(3, b"late"))
    assert recover(disk).entries == entries(1, b"synced")


def test_journal_forgets_what_was_recovered_at_the_first_append() -> None:
    disk = make_disk()
    journal = open_journal(disk)
    journal.append(entries(1, b"x"))
    journal.close()
    journal = open_journal(disk)
    journal.set_ballot(1, None)
    journal.note("k", b"v")
    assert journal.recovered.entries == entries(1, b"x")
    journal.append(entries(2, b"y"))
    with pytest.raises(RuntimeError, match="before you append"):
        _ = journal.recovered


def test_journal_writes_once_and_syncs_once_for_many_records() -> None:
    disk = make_disk()
    journal = open_journal(disk, segment_bytes=1024 * 1024)
    before = disk.operations
    for index in range(1, 101):
        journal.append(entries(index, b"x" * index, term=index // 30))
        journal.set_ballot(index, "n2")
    journal.sync()
    assert disk.operations - before == 2
    journal.sync()
    journal.close()
    assert disk.operations - before == 2
    recovered = recover(disk)
    assert [len(entry.data) for entry in recovered.entries] == list(range(1, 101))
    assert (recovered.term, recovered.vote) == (100, "n2")


def test_journal_reserves_a_segment_and_begins_another_when_it_is_full() -> None:
    disk = make_disk()
    journal = open_journal(disk)
    assert disk.list(DIRECTORY) == ["segment-0000000000000001"]
    assert disk.open(SEGMENT_1).size() == SEGMENT_BYTES
    for index in range(1, 31):
        journal.append(entries(index, bytes(100)))
        journal.sync()
    names = disk.list(DIRECTORY)
    assert len(names) > 3
    sizes = [disk.open(f"{DIRECTORY}/{name}").size() for name in names]
    assert all(size <= SEGMENT_BYTES for size in sizes[:-1])
    assert sizes[-1] == SEGMENT_BYTES
    assert 3000 < journal.size_bytes <= sum(sizes)
    journal.close()
    assert len(recover(disk).entries) == 30


def test_journal_takes_a_batch_that_is_larger_than_a_segment() -> None:
    disk = make_disk()
    journal = open_journal(disk)
    journal.append(entries(1, b"small"))
    journal.sync()
    journal.append(entries(2, bytes(10 * SEGMENT_BYTES), b"behind"))
    journal.sync()
    journal.append(entries(4, b"small"))
    journal.close()
    datas = [entry.data for entry in recover(disk).entries]
    assert datas == [b"small", bytes(10 * SEGMENT_BYTES), b"behind", b"small"]


def test_journal_drops_segments_before_an_entry_and_keeps_that_entry() -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    watched.append(5, term=1)
    watched.sync()
    for _ in range(9):
        watched.append(5, term=2, size=100)
        watched.sync()
    size = watched.journal.size_bytes
    watched.drop_before(23)
    first_index = watched.journal.first_index
    assert 15 < first_index <= 23
    assert watched.journal.size_bytes < size
    watched.journal.close()
    watched.open()
    assert watched.journal.first_index == first_index
    assert watched.journal.recovered.base_term == 2
    watched.truncate(first_index)
    watched.sync()
    watched.journal.close()
    watched.open()
    assert watched.journal.last_index == first_index - 1


def test_journal_drops_no_more_and_no_less_than_it_may() -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    lasts = []  # of each segment
    for _ in range(9):
        watched.append(5, term=2, size=300)
        watched.sync()
        lasts.append(watched.current.last_index)
    for index in range(1, 46):
        watched.drop_before(index)
        gone = [last for last in lasts[:-1] if last < index]
        assert watched.journal.first_index == (gone[-1] + 1 if gone else 1)


@pytest.mark.parametrize("is_opened_again", [True, False])
def test_journal_knows_what_is_left_of_a_segment_after_a_truncation(
    is_opened_again: bool,
) -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    for _ in range(3):
        watched.append(5, term=1, size=300)
        watched.sync()
    watched.truncate(8)
    watched.sync()
    if is_opened_again:
        watched.journal.close()
        watched.open()
    watched.drop_before(8)
    assert watched.journal.first_index == 8
    assert len(watched.disk.list(DIRECTORY)) == 1


def test_journal_drops_segments_whose_entries_were_all_truncated() -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    watched.append(20, term=1, size=200)
    watched.sync()
    watched.append(20, term=1, size=200)
    watched.sync()
    watched.truncate(11)
    watched.append(1, term=2)
    watched.drop_before(11)
    assert watched.journal.first_index == 1, "the truncation is not durable yet"
    watched.sync()
    watched.drop_before(11)
    assert watched.journal.first_index == 11
    watched.journal.close()
    watched.open()
    assert watched.journal.recovered.base_term == 1


def test_journal_drops_everything_older_when_it_is_reset() -> None:
    disk = make_disk()
    journal = open_journal(disk)
    for first in range(1, 40, 4):
        journal.append(entries(first, *[bytes(100)] * 4))
        journal.sync()
    count = len(disk.list(DIRECTORY))
    journal.reset(1000, 7)
    assert len(disk.list(DIRECTORY)) == count
    journal.sync()
    assert len(disk.list(DIRECTORY)) == 1
    assert (journal.first_index, journal.last_index) == (1001, 1000)
    journal.append(entries(1001, b"x", term=8))
    journal.close()
    recovered = recover(disk)
    assert (recovered.base_index, recovered.base_term) == (1000, 7)
    assert recovered.entries == entries(1001, b"x", term=8)


def test_journal_carries_ballot_and_notes_into_each_segment() -> None:
    watched = WatchedJournal(make_disk())
    watched.open()
    watched.set_ballot(7, "n3")
    watched.note("formed", b"by us")
    watched.sync()
    for _ in range(9):
        watched.append(5, term=2, size=100)
        watched.sync()
    watched.drop_before(45)
    watched.journal.close()
    watched.open()
    assert watched.journal.recovered.vote == "n3"
    assert watched.journal.recovered.notes == {"formed": b"by us"}


def test_journal_refuses_what_cannot_follow_and_takes_nothing_of_it() -> None:
    disk = make_disk()
    journal = open_journal(disk)
    journal.append([])
    assert not journal.is_dirty
    journal.append(entries(1, b"x"))
    with pytest.raises(ValueError, match="entries 3 to 3 after entry 1"):
        journal.append(entries(3, b"y"))
    with pytest.raises(ValueError, match="after entry 1"):
        journal.append([Entry(b"y", 2, 1), Entry(b"y", 2, 1)])
    with pytest.raises(ValueError, match="no entry 2"):
        journal.truncate(2)
    with pytest.raises(ValueError, match="no entry 0"):
        journal.truncate(0)
    journal.set_ballot(4, "n2")
    with pytest.raises(ValueError, match="term 3 after term 4"):
        journal.set_ballot(3, None)
    with pytest.raises(ValueError, match="notes of"):
        journal.note("k", bytes(journal_module.NOTES_BYTES_MAX))
    journal.close()
    assert state_of(recover(disk)) == State(4, "n2", (0, 0), (Entry(b"x", 1, 1),))


def test_journal_takes_no_more_than_one_write_can_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_module, "PENDING_BYTES_MAX", 1000)
    disk = make_disk()
    journal = open_journal(disk)
    journal.append(entries(1, bytes(900)))
    with pytest.raises(ValueError, match="more than 1000 bytes wait"):
        journal.append(entries(2, bytes(200)))
    journal.sync()
    journal.append(entries(2, bytes(200)))
    journal.close()
    assert len(recover(disk).entries) == 2


def test_journal_of_another_owner_is_refused_with_what_to_do() -> None:
    disk = make_disk()
    open_journal(disk).close()
    image = disk.save()
    with pytest.raises(ConfigError, match="is of cluster 'c1', node 'n1'; this is"):
        open_journal(disk, cluster_id="c2")
    with pytest.raises(ConfigError, match="needs a data directory of its own"):
        open_journal(disk, node_id="n2")
    with pytest.raises(ConfigError, match="start it with the engine 'raft'"):
        open_journal(disk, engine="pysyncobj")
    assert disk.save() == image
    open_journal(disk).close()


def test_journal_of_a_newer_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = make_disk()
    with monkeypatch.context() as future:
        future.setattr(journal_format, "FORMAT_VERSION", 2)
        open_journal(disk).close()
    with pytest.raises(ConfigError, match="has format 2; this version reads format 1"):
        open_journal(disk)


def test_journal_of_one_file_is_refused_with_what_to_do() -> None:
    disk = make_disk()
    disk.make_directory("data")
    disk.open(DIRECTORY, create=True).write(0, b"rljrnl\r\n")
    with pytest.raises(ConfigError, match="give this version an empty data directory"):
        open_journal(disk)


def test_journal_can_be_open_once_only() -> None:
    disk = make_disk()
    journal = open_journal(disk)
    with pytest.raises(ConfigError, match="open in another process"):
        open_journal(disk)
    journal.close()
    with pytest.raises(ConfigError, match="another"):
        open_journal(disk, node_id="another")
    open_journal(disk).close()


def test_journal_creation_survives_a_crash_half_way() -> None:
    disk = make_disk()
    disk.make_directory(DIRECTORY)
    disk.open(f"{SEGMENT_1}.draft", create=True).write(0, b"half a hea")
    next_draft = f"{DIRECTORY}/segment-0000000000000002.draft"
    disk.open(next_draft, create=True)
    disk.open(f"{DIRECTORY}/notes.txt", create=True)
    journal = open_journal(disk)
    journal.append(entries(1, b"x"))
    journal.close()
    assert disk.list(DIRECTORY) == ["notes.txt", "segment-0000000000000001"]
    assert recover(disk).entries == entries(1, b"x")


def test_journal_reports_what_it_cuts(caplog: pytest.LogCaptureFixture) -> None:
    disk = make_disk()
    journal = open_journal(disk)
    journal.append(entries(1, b"synced"))
    journal.sync()
    end = journal.size_bytes
    journal.append(entries(2, b"torn"))
    journal.sync()
    torn_bytes = journal.size_bytes - end
    journal.close()
    disk.open(SEGMENT_1).write(end + 20, b"?")
    with caplog.at_level(logging.WARNING):
        recovered = recover(disk)
    expected = (
        f"{SEGMENT_1}: cut {torn_bytes} bytes of an unfinished write at byte {end}"
    )
    assert recovered.repairs == (expected,)
    assert expected in caplog.text
    assert recovered.entries == entries(1, b"synced")
    assert recover(disk).repairs == ()


def test_state_is_compared_as_these_tests_think() -> None:
    state = State(1, "n1", (0, 0), tuple(entries(1, b"a", b"b", b"c")))
    assert state.after(2) == attrs.evolve(
        state, base=(2, 1), entries=tuple(entries(3, b"c"))
    )
    assert state.after(0) == state
