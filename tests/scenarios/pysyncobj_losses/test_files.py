"""D, E, J, K, L: files that are damaged, missing or half written are believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.zoo.stock.cluster import StockCluster, library, still
from raftleader.replication.entries import user_entry

FileJournal = library.journal.FileJournal


def stopped_after_compaction(folder: Path, settings: dict[str, object]) -> None:
    """Three nodes with fifty commands, compacted, and stopped in order."""
    cluster = StockCluster("ABC", settings, files=lambda name: folder / name)
    cluster.elect("A")
    cluster.run(1.0)
    cluster.add("A", *(f"{number}" for number in range(50)))
    cluster.run(1.0)
    for node in cluster.nodes.values():
        node.forceLogCompaction()
    cluster.run(0.5)
    cluster.add("A", "tail")
    cluster.run(1.0)
    assert len(cluster.answered) == 51
    for node in cluster.nodes.values():
        node._doDestroy()


def test_stock_loses_the_whole_state_when_only_its_journal_has_a_file(
    tmp_path: Path,
) -> None:
    """Its compaction then writes the snapshot to memory, and cuts the file."""
    settings = {"fullDumpFile": None, "logCompactionMinEntries": 10**9}
    stopped_after_compaction(tmp_path, settings)
    cluster = StockCluster("ABC", settings, files=lambda name: tmp_path / name)
    cluster.elect("A")
    cluster.add("A", "after")
    cluster.run(20.0)
    still(
        all(len(cluster.values(name)) < 51 for name in "ABC"),
        "a restart of all loses what was compacted",
    )
    still(cluster.answered == [], "and the group never applies anything again")


def test_stock_runs_on_with_an_empty_state_when_its_snapshot_is_damaged(
    tmp_path: Path,
) -> None:
    settings: dict[str, object] = {"logCompactionMinEntries": 10**9}
    stopped_after_compaction(tmp_path, settings)
    dump = tmp_path / "A" / "dump"
    dump.write_bytes(dump.read_bytes()[:100])
    cluster = StockCluster("ABC", settings, files=lambda name: tmp_path / name)
    cluster.run(0.1)
    cluster.elect("A")
    cluster.run(2.0)
    still(cluster.is_leader("A"), "a node without its state leads")
    still(cluster.values("A") == [], "a damaged snapshot is taken for none")
    assert len(cluster.values("B")) == 51


def test_stock_believes_a_journal_that_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = FileJournal(str(path))
    for index in range(1, 6):
        journal.add(b"command %d" % index, index, 1)
    journal._destroy()
    path.write_bytes(path.read_bytes().replace(b"command 3", b"command 9"))
    read = FileJournal(str(path))
    still(read[2] == (b"command 9", 3, 1), "the journal has no checksums")


def test_stock_cannot_start_after_a_write_that_a_power_cut_tore(tmp_path: Path) -> None:
    """The header says that there is an entry, whose page never reached the disk."""
    path = tmp_path / "journal"
    journal = FileJournal(str(path))
    for index in range(1, 6):
        journal.add(b"command %d" % index, index, 1)
    journal._destroy()
    content = path.read_bytes()
    place = content.index(b"command 5") - 20
    path.write_bytes(content[:place] + bytes(len(content) - place))
    with pytest.raises(Exception, match="unpack requires"):
        still(not list(FileJournal(str(path))), "a torn write is no reason to stop")


def test_stock_forgets_its_vote_when_the_file_of_votes_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = FileJournal(str(path))
    journal.setCurrentTerm(7, "A")
    journal._destroy()
    (tmp_path / "journal.meta").write_bytes(b"")
    read = FileJournal(str(path))
    still(
        (read.getCurrentTerm(), read.getVotedForNodeId()) == (0, None),
        "a lost vote is taken for a new node",
    )


def test_stock_applies_uncommitted_entries_after_its_journal_lost_its_end(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "Z"
    folder.mkdir()
    journal = FileJournal(str(folder / "journal"))
    for index in range(1, 6):
        journal.add(b"\x01", index, 1)
    journal.setCurrentTerm(1, None)
    journal.setRaftCommitIndex(50)  # of entries that were not on the disk yet
    journal.onOneSecondTimer()
    journal._destroy()
    cluster = StockCluster("ABZ", files=lambda name: tmp_path / name)
    cluster.tick("Z")
    add = cluster.nodes["Z"]._methodToID["add_v0"]
    command = user_entry(library.pickle.dumps((add, ("uncommitted",))))
    append = {
        "type": "append_entries",
        "term": 2,
        "commit_index": 5,
        "prevLogIdx": 5,
        "prevLogTerm": 1,
        "entries": [(command, 6, 2)],
    }
    cluster.receive("A", "Z", append)
    cluster.tick("Z")
    still(
        cluster.values("Z") == ["uncommitted"],
        "the commit index of a file is believed beyond the journal's end",
    )
