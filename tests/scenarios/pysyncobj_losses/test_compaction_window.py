"""C: a node that dies between its snapshot and the cut of its journal forgets entries.

The window is open from the rename of the snapshot to a later tick. A start then finds
a journal that does not begin where the snapshot ends, and throws the journal away, with
what was acknowledged meanwhile.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.raft_members import MemberCluster

from chaos.sim.disk import PowerCut
from chaos.zoo.stock.cluster import StockCluster, library, still

OPERATIONS = 60
"""Of a disk, from the first entry to the end of a snapshot."""


def test_stock_loses_answered_commands_when_killed_while_it_compacts(
    tmp_path: Path,
) -> None:
    lives = {name: tmp_path / name for name in "ABC"}
    cluster = StockCluster(
        "ABC", {"logCompactionMinEntries": 10**9}, files=lives.__getitem__
    )
    cluster.elect("A")
    cluster.run(1.0)
    cluster.add("A", *(f"old-{number}" for number in range(20)))
    cluster.run(1.0)

    # B has renamed its snapshot. Before its next tick it acknowledges five entries.
    cluster.nodes["B"].forceLogCompaction()
    cluster.tick("B")
    cluster.isolate("C")
    new = [f"new-{number}" for number in range(5)]
    cluster.add("A", *new)
    cluster.tick("A", after_s=0.2)
    cluster.tick("A", after_s=0.2)
    cluster.deliver("A", "B")
    cluster.deliver("B", "A")
    cluster.tick("A")
    assert cluster.answered[-5:] == new
    held = cluster.last_index("B")

    # kill -9 of B alone: all that it wrote is there.
    lives["B"] = tmp_path / "B after the kill"
    shutil.copytree(tmp_path / "B", lives["B"])
    cluster.kill("B")
    cluster.start("B")
    cluster.tick("B")
    still(cluster.last_index("B") == held - 5, "acknowledged entries are thrown away")

    # With A gone, B and C are a majority, and know nothing of the five.
    cluster.kill("A")
    cluster.wires.join("B", "C")
    cluster.connect("B")
    cluster.elect("C")
    cluster.run(1.0)
    still(cluster.lost("C") == new, "so answered commands are lost")


def test_stock_rewrites_its_journal_in_place_when_it_compacts(tmp_path: Path) -> None:
    """The cut itself is no single step either: clear, then write what is kept."""
    file, torn = tmp_path / "journal", tmp_path / "torn"
    journal = library.journal.FileJournal(str(file))
    for index in range(1, 61):
        journal.add(b"command", index, 1)
    add = journal.add

    def add_and_copy(command: bytes, index: int, term: int) -> None:
        add(command, index, term)
        if index == 53:
            shutil.copy(file, torn)  # what a kill at this moment leaves

    journal.add = add_and_copy
    journal.deleteEntriesTo(50)
    after = library.journal.FileJournal(str(torn))
    still(
        [entry[1] for entry in after] == [51, 52, 53],
        "a kill in the middle of a compaction cuts the log's end off",
    )


@pytest.mark.parametrize("operation", range(1, OPERATIONS + 1))
def test_ours_keeps_every_answered_command_wherever_a_snapshot_is_cut_short(
    operation: int,
) -> None:
    """The power of B goes in each operation of its disk, one after the other."""
    cluster = MemberCluster("ABC", snapshot_entries=20)
    cluster.elect("A")
    cluster.run(1.0)
    cluster.isolate("C")
    cluster.disks["B"].cut_power_in(operation)
    is_cut = False
    for number in range(30):
        cluster.add("A", f"{number}")
        try:
            cluster.run(0.02)
        except PowerCut:
            is_cut = True
            break
    assert is_cut
    cluster.kill("B", is_power_cut=True)

    # A is gone, with its disk; B and C are what is left.
    cluster.kill("A")
    cluster.start("B")
    cluster.wires.join("B", "C")
    cluster.connect("B")
    cluster.elect("B")
    cluster.add("B", "after")
    cluster.run(1.0)
    assert cluster.answered[-1] == "after"
    assert cluster.lost("B") == []
    assert cluster.values("B") == cluster.values("C")


def test_ours_takes_a_snapshot_within_the_operations_that_are_cut() -> None:
    """So that the test above covers the whole of one."""
    cluster = MemberCluster("ABC", snapshot_entries=20)
    cluster.elect("A")
    cluster.run(1.0)
    cluster.isolate("C")
    before = cluster.disks["B"].operations
    for number in range(30):
        cluster.add("A", f"{number}")
        cluster.run(0.02)
        if cluster.members["B"].counts["snapshots_taken"]:
            break
    assert cluster.first_index("B") > 1
    assert cluster.disks["B"].operations - before <= OPERATIONS
