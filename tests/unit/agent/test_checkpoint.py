"""The checkpoint file: any end may be torn, no middle may be damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.checkpoint import (
    COMPACT_BYTES_MIN,
    FRAME_HEADER,
    Checkpoint,
    encode_frame,
    read_checkpoint,
)
from agent.records import Record, Taken, encode_records
from raftleader.errors import JournalDamagedError


async def inline(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


def taken(number: int) -> Taken:
    return Taken("fw", f"task {number}")  # type: ignore[arg-type]


@pytest.fixture
async def written(tmp_path: Path) -> tuple[Path, list[list[Record]], list[int]]:
    """A file of six turns, every second one synced: path, turns, where each ends."""
    path = tmp_path / "checkpoint"
    checkpoint = Checkpoint(path, inline, is_fsync_on=False)
    checkpoint.rewrite([])
    turns: list[list[Record]] = []
    ends = [0]
    for number in range(6):
        turns.append([taken(number), taken(100 + number)])
        await checkpoint.append(turns[-1], is_sync_needed=number % 2 == 1)
        ends.append(checkpoint.size)
    checkpoint.close()
    return path, turns, ends


async def test_checkpoint_cut_at_any_byte_keeps_every_whole_turn(
    written: tuple[Path, list[list[Record]], list[int]],
) -> None:
    path, turns, ends = written
    data = path.read_bytes()
    assert len(data) == ends[-1]
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        whole = sum(1 for end in ends[1:] if end <= length)
        expected = [record for turn in turns[:whole] for record in turn]
        assert read_checkpoint(path) == expected, length


async def test_checkpoint_with_a_bad_byte_is_cut_only_where_nothing_was_synced(
    written: tuple[Path, list[list[Record]], list[int]],
) -> None:
    path, turns, ends = written
    data = path.read_bytes()
    for offset in range(len(data)):
        path.write_bytes(
            data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :]
        )
        turn = sum(1 for end in ends[1:] if end <= offset)
        if turn < 4:  # turns 0-3 were on disk when turn 4 was written
            with pytest.raises(JournalDamagedError) as caught:
                read_checkpoint(path)
            assert caught.value.offset == ends[turn]
            assert str(path) in str(caught.value)
        else:
            expected = [record for t in turns[:turn] for record in t]
            assert read_checkpoint(path) == expected


async def test_checkpoint_survives_pages_lost_out_of_order(
    written: tuple[Path, list[list[Record]], list[int]],
) -> None:
    path, turns, ends = written
    data = bytearray(path.read_bytes())
    data[ends[4] : ends[5]] = bytes(ends[5] - ends[4])  # unsynced, and lost
    path.write_bytes(data)

    assert read_checkpoint(path) == [r for turn in turns[:4] for r in turn]


def test_checkpoint_of_foreign_records_names_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    first = encode_frame(encode_records([taken(1)]), 0)
    path.write_bytes(first + encode_frame(b"\x93\xc0", len(first)))

    with pytest.raises(JournalDamagedError) as caught:
        read_checkpoint(path)
    assert caught.value.offset == len(first)


def test_checkpoint_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "none") == []


async def test_checkpoint_appends_after_it_was_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    checkpoint = Checkpoint(path, inline)
    checkpoint.rewrite([[taken(1)], [taken(2)]])
    await checkpoint.append([taken(3)], is_sync_needed=True)
    checkpoint.rewrite([[taken(3)]])
    await checkpoint.append([taken(4)], is_sync_needed=False)
    checkpoint.close()

    assert read_checkpoint(path) == [taken(3), taken(4)]
    assert os.listdir(tmp_path) == ["checkpoint"]


async def test_checkpoint_that_cannot_be_rewritten_keeps_the_old_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "checkpoint"
    checkpoint = Checkpoint(path, inline)
    checkpoint.rewrite([[taken(1)]])

    def failing() -> Any:
        yield [taken(2)]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        checkpoint.rewrite(failing())
    await checkpoint.append([taken(3)], is_sync_needed=True)
    checkpoint.close()
    assert read_checkpoint(path) == [taken(1), taken(3)]


async def test_checkpoint_asks_for_compaction_when_it_has_grown(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint", inline, is_fsync_on=False)
    checkpoint.rewrite([])
    await checkpoint.append([taken(1)], is_sync_needed=False)
    assert not checkpoint.is_compaction_due
    checkpoint.size = COMPACT_BYTES_MIN + FRAME_HEADER.size
    assert checkpoint.is_compaction_due
    checkpoint.close()
