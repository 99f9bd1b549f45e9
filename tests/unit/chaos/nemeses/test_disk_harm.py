"""Never more disks are broken than the others can bear, and damage can be undone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chaos.live.seams import ImpossibleError
from chaos.nemeses.disk.damage import (
    cut_short,
    flip_bit,
    tear,
    view_journal,
)
from chaos.nemeses.disk.full import end_of_data, give_reserve_back
from chaos.nemeses.disk.harm import Harm
from raftleader.errors import JournalDamagedError
from raftleader.replication.entries import Entry, user_entry
from raftleader.replication.journal.journal import Journal

THREE, FIVE = ("a", "b", "c"), ("a", "b", "c", "d", "e")


def test_harm_lets_a_minority_be_without_their_disks() -> None:
    harm = Harm()
    harm.lose(["a"], FIVE)
    harm.trouble(["b"], FIVE)
    with pytest.raises(ImpossibleError, match="a, b, c would be without their disks"):
        harm.trouble(["c"], FIVE)
    with pytest.raises(ImpossibleError, match="the disk of b is broken already"):
        harm.lose(["b"], FIVE)
    harm.end(["b"])
    harm.lose(["c"], FIVE)


@pytest.mark.parametrize("group", [("a",), ("a", "b")])
def test_harm_of_a_small_group_is_never_the_loss_of_a_disk(
    group: tuple[str, ...],
) -> None:
    harm = Harm()
    with pytest.raises(ImpossibleError, match="at most 0 may be"):
        harm.lose(["a"], group)
    harm.trouble(["a"], group)
    with pytest.raises(ImpossibleError):
        harm.trouble(["b"], group)


def test_harm_ends_when_what_was_to_be_done_fails() -> None:
    harm = Harm()
    harm.lose(["a"], THREE)
    with pytest.raises(ValueError, match="x"), harm.ended_on_error(["a"]):
        raise ValueError("x")
    harm.lose(["b"], THREE)


def make_journal(data_dir: Path, entries: int, segment_bytes: int = 4096) -> None:
    journal = open_journal(data_dir, segment_bytes)
    for index in range(1, entries + 1):
        journal.append([Entry(user_entry(b"x" * 200), index, 1)])
        journal.sync()
    journal.close()


def open_journal(data_dir: Path, segment_bytes: int = 4096) -> Journal:
    return Journal.open(
        str(data_dir / "journal"),
        cluster_id="cluster",
        node_id="a",
        engine="raft",
        segment_bytes=segment_bytes,
    )


def contents(data_dir: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in (data_dir / "journal").glob("segment-*")
    }


@pytest.mark.parametrize("entries", [0, 1, 5, 60])
@pytest.mark.parametrize("hurt", [flip_bit, cut_short])
def test_damage_is_always_noticed_and_can_be_undone(
    tmp_path: Path, hurt: object, entries: int
) -> None:
    assert hurt in (flip_bit, cut_short)
    make_journal(tmp_path, entries)
    before = contents(tmp_path)
    for seed in range(60):
        segments = view_journal(tmp_path)
        rng = random.Random(seed)
        damage = (flip_bit if hurt is flip_bit else cut_short)(segments, rng)
        assert contents(tmp_path) != before
        # Whatever it is of: a flipped version or name is refused in other words.
        with pytest.raises((JournalDamagedError, OSError)):
            open_journal(tmp_path)
        damage.undo()
        assert contents(tmp_path) == before
    open_journal(tmp_path).close()


def test_torn_write_is_cut_and_nothing_synced_with_it(tmp_path: Path) -> None:
    make_journal(tmp_path, 20)
    for seed in range(40):
        size = tear(view_journal(tmp_path), random.Random(seed))
        journal = open_journal(tmp_path)
        (repair,) = journal.recovered.repairs
        assert f"cut {size} bytes" in repair
        assert journal.last_index == 20
        journal.close()


def test_nothing_can_be_damaged_where_there_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(ImpossibleError, match="no journal"):
        view_journal(tmp_path)
    (tmp_path / "journal").mkdir()
    with pytest.raises(ImpossibleError, match="no journal"):
        view_journal(tmp_path)


def test_reserve_is_given_back_and_what_is_used_stays(tmp_path: Path) -> None:
    make_journal(tmp_path, 3, segment_bytes=4 * 1024 * 1024)
    (segment,) = (tmp_path / "journal").glob("segment-*")
    before = segment.read_bytes()
    with segment.open("rb") as file:
        assert end_of_data(file.fileno()) == len(before.rstrip(b"\0"))
    freed = give_reserve_back(tmp_path / "journal")
    assert freed > 4 * 1024 * 1024 - 8192
    assert segment.read_bytes() == before
    assert segment.stat().st_blocks * 512 <= 16384
    assert give_reserve_back(tmp_path) == 0
