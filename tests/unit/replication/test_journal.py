"""The journal: what was synced is there again, and damage is never taken for it."""

from __future__ import annotations

import logging
import os
import struct
import zlib
from pathlib import Path

import pytest

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.entries import Entry
from raftleader.replication.old_journal import Journal


def open_journal(path: Path, *, cluster: str = "c1", node: str = "n1") -> Journal:
    return Journal.open(path, cluster_id=cluster, node_id=node)


State = tuple[list[Entry], int, str | None]


def state_of(journal: Journal) -> State:
    return list(journal.entries), journal.term, journal.vote


def write_small_journal(path: Path) -> list[tuple[int, State]]:
    """Five batches; returns the state after each sync and the size of the file."""
    journal = open_journal(path)
    synced = [(path.stat().st_size, state_of(journal))]

    def sync() -> None:
        journal.sync()
        synced.append((path.stat().st_size, state_of(journal)))

    journal.append(1, 0, b"\x01")
    sync()
    journal.set_meta(1, "n1")
    journal.append(2, 1, b"two")
    journal.append(3, 1, b"three")
    sync()
    journal.truncate(3)
    journal.set_meta(2, None)
    sync()
    journal.append(3, 2, b"")
    sync()
    journal.append(4, 2, b"four")
    journal.append(5, 2, b"five")
    sync()
    journal.close()
    return synced


def test_journal_holds_everything_synced_when_opened_again(tmp_path: Path) -> None:
    synced = write_small_journal(tmp_path / "j")
    journal = open_journal(tmp_path / "j")
    assert state_of(journal) == synced[-1][1]
    assert journal.entries == [
        Entry(b"\x01", 1, 0),
        Entry(b"two", 2, 1),
        Entry(b"", 3, 2),
        Entry(b"four", 4, 2),
        Entry(b"five", 5, 2),
    ]
    assert (journal.term, journal.vote) == (2, None)
    assert journal.size_bytes == (tmp_path / "j").stat().st_size
    journal.append(6, 2, b"goes on")
    journal.close()
    again = open_journal(tmp_path / "j")
    assert again.last_index == 6
    again.close()


def test_journal_cut_at_any_byte_keeps_what_was_synced_before_or_refuses(
    tmp_path: Path,
) -> None:
    synced = write_small_journal(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    header_size = synced[0][0]
    for size in range(len(content)):
        path = tmp_path / f"cut{size}"
        path.write_bytes(content[:size])
        if size < header_size:
            with pytest.raises(JournalDamagedError) as damage:
                open_journal(path)
            assert damage.value.offset == 0
            continue
        journal = open_journal(path)
        expected = [state for end, state in synced if end <= size][-1]
        assert state_of(journal) == expected, size
        journal.append(journal.last_index + 1, 9, b"usable")
        journal.close()
        again = open_journal(path)
        assert again.entries[-1].data == b"usable"
        again.close()


def test_journal_with_any_byte_changed_is_refused_or_loses_the_last_batch_only(
    tmp_path: Path,
) -> None:
    synced = write_small_journal(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    ends = [end for end, _ in synced]
    last_batch = ends[-2]
    for position in range(len(content)):
        path = tmp_path / f"flip{position}"
        damaged = bytearray(content)
        damaged[position] ^= 0x41
        path.write_bytes(damaged)
        if position >= last_batch:
            journal = open_journal(path)
            assert state_of(journal) == synced[-2][1], position
            journal.close()
            continue
        with pytest.raises(JournalDamagedError) as damage:
            open_journal(path)
        begins = max((end for end in ends if end <= position), default=0)
        assert damage.value.offset == begins, position
        assert str(path) in str(damage.value)
        assert path.read_bytes() == damaged


def test_journal_reports_what_it_cuts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    synced = write_small_journal(tmp_path / "j")
    with (tmp_path / "j").open("r+b") as file:
        file.truncate(synced[-1][0] - 1)
    with caplog.at_level(logging.WARNING):
        open_journal(tmp_path / "j").close()
    assert f"at byte {synced[-2][0]}" in caplog.text
    assert (tmp_path / "j").stat().st_size == synced[-2][0]


def test_journal_keeps_only_synced_records_when_abandoned(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j")
    journal.append(1, 1, b"synced")
    journal.sync()
    journal.append(2, 1, b"not synced")
    assert journal.is_dirty
    journal.abandon()
    journal.abandon()
    again = open_journal(tmp_path / "j")
    assert [entry.data for entry in again.entries] == [b"synced"]
    again.close()


def test_journal_of_another_owner_is_refused(tmp_path: Path) -> None:
    open_journal(tmp_path / "j").close()
    with pytest.raises(ConfigError, match="is of cluster 'c1', node 'n1'"):
        open_journal(tmp_path / "j", cluster="c2")
    with pytest.raises(ConfigError, match="is of cluster 'c1', node 'n1'"):
        open_journal(tmp_path / "j", node="n2")


def test_journal_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    header = struct.pack("<8sIHH", b"rljrnl\r\n", 2, 2, 2) + b"c1n1"
    content = header + struct.pack("<I", zlib.crc32(header))
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(ConfigError, match="newer than ours"):
        open_journal(tmp_path / "j")


@pytest.mark.parametrize("content", [b"", b"\n", b"PNG" * 20, bytes(100)])
def test_journal_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(JournalDamagedError):
        open_journal(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == content


def test_journal_can_be_open_once_only(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j")
    with pytest.raises(ConfigError, match="open in another process"):
        open_journal(tmp_path / "j")
    journal.close()
    open_journal(tmp_path / "j").close()


def test_journal_creation_survives_a_crash_half_way(tmp_path: Path) -> None:
    (tmp_path / "j.new").write_bytes(b"half a hea")
    journal = open_journal(tmp_path / "j")
    journal.append(1, 1, b"x")
    journal.close()
    assert not (tmp_path / "j.new").exists()
    again = open_journal(tmp_path / "j")
    assert again.last_index == 1
    again.close()


def test_journal_syncs_once_for_many_records_and_not_at_all_when_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(tmp_path / "j")
    synced: list[int] = []
    fdatasync = os.fdatasync

    def counting(descriptor: int) -> None:
        synced.append(descriptor)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", counting)
    for index in range(1, 101):
        journal.append(index, 1, b"x" * index)
    journal.sync()
    journal.sync()
    assert len(synced) == 1
    journal.close()
    assert len(synced) == 1


def test_journal_is_dead_after_a_failed_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(tmp_path / "j")
    attempts: list[int] = []

    def failing(descriptor: int) -> None:
        attempts.append(descriptor)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    journal.append(1, 1, b"x")
    with pytest.raises(OSError, match="Input/output"):
        journal.sync()
    with pytest.raises(OSError, match="takes nothing more"):
        journal.sync()
    with pytest.raises(OSError, match="takes nothing more"):
        journal.append(2, 1, b"y")
    journal.close()
    assert len(attempts) == 1


def test_journal_refuses_entries_out_of_order(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j")
    journal.append(1, 1, b"x")
    with pytest.raises(ValueError, match="entry 3 after entry 1"):
        journal.append(3, 1, b"y")
    with pytest.raises(ValueError, match="no entry 2"):
        journal.truncate(2)
    with pytest.raises(ValueError, match="no entry 0"):
        journal.truncate(0)
    journal.set_meta(4, "n2")
    with pytest.raises(ValueError, match="term 3 after term 4"):
        journal.set_meta(3, None)
    journal.close()
    again = open_journal(tmp_path / "j")
    assert state_of(again) == ([Entry(b"x", 1, 1)], 4, "n2")
    again.close()


def test_journal_takes_no_copy_of_itself_for_a_part_of_itself(tmp_path: Path) -> None:
    write_small_journal(tmp_path / "other")
    copy = (tmp_path / "other").read_bytes()
    journal = open_journal(tmp_path / "j")
    journal.append(1, 1, b"first")
    journal.sync()
    size = journal.size_bytes
    journal.append(2, 1, copy)
    journal.sync()
    journal.close()
    with (tmp_path / "j").open("r+b") as file:
        file.truncate(size + 20 + len(copy))
    again = open_journal(tmp_path / "j")
    assert again.last_index == 1
    again.close()


def test_journal_whose_batch_is_nonsense_is_refused(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "j")
    journal.append(1, 1, b"x")
    journal.sync()
    offset = journal.size_bytes
    journal.close()
    body = struct.pack("<BI", 9, 0)
    place = struct.pack("<QI", offset, len(body))
    checksum = zlib.crc32(body, zlib.crc32(place))
    batch = struct.pack("<4sII", b"\xf5RB\x1a", checksum, len(body)) + body
    with (tmp_path / "j").open("ab") as file:
        file.write(batch)
    with pytest.raises(
        JournalDamagedError, match="unknown kind of record: 9"
    ) as damage:
        open_journal(tmp_path / "j")
    assert damage.value.offset == offset
