"""What a member finds in its directory, and on what it refuses to run."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.entries import Entry, user_entry
from raftleader.replication.journal import Journal
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.snapshots import SnapshotStore

World = Any
ALONE = Configuration(peers=(Peer(node_id="a", address="at-a"),))


def journal_of(world: World, name: str = "a") -> Journal:
    return Journal.open(
        "data/journal",
        cluster_id="c",
        node_id=name,
        engine="raft",
        disk=world.disks[name],
        segment_bytes=2048,
    )


def write_snapshot(world: World, index: int, term: int, state: bytes = b"\x90") -> None:
    store = SnapshotStore(world.disks["a"], "data/snapshots", cluster_id="c")
    writer = store.begin(index, term, ALONE)
    writer.write(state)
    writer.finish()
    store.close()


def prepare(world: World, *, entries: int, base: int = 0) -> None:
    """A directory whose journal has ``entries`` after ``base``, all of term 1."""
    world.start("a", ALONE)
    world.stop("a")
    journal = journal_of(world)
    journal.set_ballot(1, "a")
    if base:
        journal.reset(base, 1)
    journal.append(
        [Entry(user_entry(b"%d" % at), at, 1) for at in range(base + 1, base + entries)]
    )
    journal.close()


def test_member_goes_on_where_it_was(world: World) -> None:
    world.options["snapshot_entries"] = 10
    world.start_group("a", "b", "c")
    world.elect()
    for at in range(35):
        world.propose(b"%d" % at)
        world.run(0.01)
    applied = dict(enumerate(world.machines["a"].applied))
    for name in "abc":
        world.stop(name)
    for name in "abc":
        world.restart(name)
        assert world.members[name].statistics().snapshot_index > 20
        assert len(world.machines[name].applied) >= 20
    world.elect()
    world.run(0.2)
    for name in "abc":
        assert dict(enumerate(world.machines[name].applied)) == applied


def test_member_refuses_the_directory_of_another_cluster_node_or_engine(
    world: World,
) -> None:
    world.start("a", ALONE)
    world.stop("a")
    world.disks["b"] = world.disks["a"]
    with pytest.raises(ConfigError, match="node 'a'"):
        world.start("b", world.peers("b"))


def test_member_that_members_does_not_name_is_refused(world: World) -> None:
    with pytest.raises(ConfigError, match="does not name this node"):
        world.start("a", world.peers("b", "c"))


def test_directory_in_use_is_refused(world: World) -> None:
    world.start("a", ALONE)
    with pytest.raises(ConfigError, match="open in another process"):
        world.start("a", ALONE)


def test_snapshot_beyond_the_journal_begins_the_log_anew(world: World) -> None:
    prepare(world, entries=5)
    write_snapshot(world, 50, 3)
    member = world.start("a", ALONE)
    assert (member.core.first_index, member.core.last_index) == (51, 50)
    assert member.statistics().applied_index == 50
    world.run(1.0)
    assert world.leader == "a"
    world.stop("a")
    journal = journal_of(world)
    assert journal.recovered.base_index == 50
    assert [one.index for one in journal.recovered.entries] == [51]


def test_snapshot_that_contradicts_the_journal_begins_the_log_anew(
    world: World,
) -> None:
    prepare(world, entries=9)
    write_snapshot(world, 5, 4)
    member = world.start("a", ALONE)
    assert (member.core.first_index, member.core.last_index) == (6, 5)


def test_snapshot_within_the_journal_keeps_what_follows(world: World) -> None:
    prepare(world, entries=30)
    write_snapshot(world, 20, 1)
    member = world.start("a", ALONE)
    assert member.core.last_index == 29
    assert member.core.first_index == 11, "10 entries before it are kept"
    world.run(1.0)
    assert world.machines["a"].datas == [b"%d" % at for at in range(21, 30)]


@pytest.mark.parametrize("snapshot", [None, 30])
def test_hole_between_snapshot_and_journal_is_refused(
    world: World, snapshot: int | None
) -> None:
    prepare(world, entries=5, base=40)
    if snapshot is not None:
        write_snapshot(world, snapshot, 1)
    with pytest.raises(ConfigError) as caught:
        world.start("a", ALONE)
    assert "the journal begins after entry 40" in str(caught.value)
    expected = "there is none" if snapshot is None else "the newest is of entry 30"
    assert expected in str(caught.value)
    with pytest.raises(ConfigError, match="the journal begins after entry 40"):
        world.start("a", ALONE)


def test_hole_names_the_damage_of_the_snapshot(world: World) -> None:
    prepare(world, entries=5, base=40)
    write_snapshot(world, 40, 1)
    disk = world.disks["a"]
    disk.open("data/snapshots/snapshot-40-1").write(0, b"rotten")
    with pytest.raises(ConfigError, match=r"snapshot-40-1 is damaged at byte 0"):
        world.start("a", ALONE)


def test_snapshot_whose_state_is_damaged_is_refused_while_it_is_read(
    world: World,
) -> None:
    prepare(world, entries=5, base=40)
    write_snapshot(world, 40, 1, b"\x90")
    file = world.disks["a"].open("data/snapshots/snapshot-40-1")
    file.write(file.size() - 1, b"\x91")
    with pytest.raises(JournalDamagedError, match="snapshot-40-1"):
        world.start("a", ALONE)


def test_first_members_are_those_of_the_first_start(world: World) -> None:
    world.start("a", ALONE)
    world.run(1.0)
    world.stop("a")
    more = Configuration(
        peers=(
            Peer(node_id="a", address="moved-to"),
            Peer(node_id="b", address="at-b"),
        )
    )
    member = world.start("a", more)
    assert [(p.node_id, p.address) for p in member.configuration.peers] == [
        ("a", "moved-to")
    ]


def test_snapshot_without_the_journal_beside_it_is_no_place_to_start(
    world: World,
) -> None:
    prepare(world, entries=30)
    write_snapshot(world, 20, 1)
    for name in list(world.disks["a"].list("data/journal")):
        world.disks["a"].unlink(f"data/journal/{name}")
    with pytest.raises(ConfigError, match="a snapshot, but its journal is gone"):
        world.start("a", ALONE)
