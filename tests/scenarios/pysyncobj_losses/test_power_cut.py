"""Nothing is ever synced: what a power cut leaves is chance, votes included."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import library, still
from chaos.zoo.stock.losses import lost_by_a_power_cut
from chaos.zoo.stock.power_cut import PowerCut


def test_stock_has_synced_nothing_of_what_it_answered() -> None:
    lost = lost_by_a_power_cut()
    still(len(lost) == 20, "all that was answered is lost")


def test_power_cut_keeps_what_was_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the test above shows the library, and not a mistake of ours."""
    power = PowerCut(tmp_path.resolve())
    power.watch(monkeypatch, library.journal)
    file = library.journal.FileJournal(str(power.folder / "journal"))
    file.add(b"one", 1, 1)
    file.flush()
    file.add(b"two", 2, 1)
    with (power.folder / "other").open("wb") as other:
        other.write(b"kept")
        other.flush()
        os.fsync(other.fileno())
        other.write(b" lost")
    power.cut()
    kept = library.journal.FileJournal(str(power.folder / "journal"))
    assert [entry[0] for entry in kept] == [b"one"]
    assert (power.folder / "other").read_bytes() == b"kept"
    assert power.syncs == 2


def test_ours_has_synced_all_that_it_answered() -> None:
    cluster = MemberCluster("ABC")
    cluster.elect("A")
    answered = [f"{number}" for number in range(20)]
    cluster.add("A", *answered)
    while len(cluster.answered) < 20:  # the power goes at the moment of the last answer
        cluster.run(0.01)
    terms = {name: cluster.term(name) for name in "ABC"}
    for name in "ABC":
        cluster.kill(name, is_power_cut=True)
    for name in "ABC":
        cluster.start(name)
        assert cluster.term(name) == terms[name]
    cluster.heal()
    for name in "ABC":
        cluster.connect(name)
    cluster.elect("B")
    cluster.run(1.0)
    assert cluster.values("B") == cluster.values("A") == answered
