"""A disk without room: the member keeps still, forgets nothing, and comes back."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.errors import OutcomeUnknownError, OverloadedError

World = Any


def fill(world: World, name: str) -> None:
    """No room; what the journal reserved is used up by the next large entries."""
    world.disks[name].room_bytes = 0


def propose_large(world: World, *names: bytes) -> None:
    world.propose(*(name + b"." * 1500 for name in names))


def prepare(world: World) -> str:
    world.options["segment_bytes"] = 2048
    world.start_group("a", "b", "c")
    return world.elect()


def is_full(world: World, name: str) -> bool:
    return world.members[name].statistics().is_disk_full


def test_leader_with_a_full_disk_gives_up_its_office(world: World) -> None:
    leader = prepare(world)
    fill(world, leader)
    propose_large(world, b"1", b"2")
    world.settle()
    assert is_full(world, leader)
    given = [type(one) for one in world.answers.given.values()]
    assert given == [OutcomeUnknownError] * 2
    assert not world.members[leader].leadership.leading
    world.run(2.0, until=lambda: world.leader not in (None, leader))
    world.propose(b"3")
    world.run(0.2)
    assert world.answers.ok() == [b"3"]
    assert world.members[leader].refusals["disk full"] > 0

    world.disks[leader].room_bytes = None
    world.run(1.0)
    assert not is_full(world, leader)
    reference = world.machines[world.leader].datas
    assert reference[-1] == b"3"
    for name in "abc":
        assert world.machines[name].datas == reference


def test_proposals_that_were_not_appended_are_refused_for_certain(
    world: World,
) -> None:
    leader = prepare(world)
    fill(world, leader)
    propose_large(world, b"1", b"2")
    member = world.members[leader]
    member.step(world.now_s)
    assert is_full(world, leader)
    assert not member.propose(b"3", world.answers.to(b"3"))
    assert world.answers.given[b"3"].definite


def test_follower_with_a_full_disk_holds_nobody_up(world: World) -> None:
    leader = prepare(world)
    follower = next(one for one in "abc" if one != leader)
    fill(world, follower)
    for at in range(5):
        propose_large(world, b"%d" % at)
        world.run(0.05)
    assert is_full(world, follower)
    assert len(world.answers.ok()) == 5
    assert world.leader == leader
    world.disks[follower].room_bytes = None
    world.run(1.0)
    assert world.leader == leader
    assert world.machines[follower].datas == world.machines[leader].datas


def test_full_disk_is_tried_again_every_quarter_second(world: World) -> None:
    leader = prepare(world)
    follower = next(one for one in "abc" if one != leader)
    fill(world, follower)
    propose_large(world, b"1", b"2")
    world.run(0.02)
    member = world.members[follower]
    assert is_full(world, follower)
    before = world.disks[follower].counts["disk full"]
    world.run(1.0)
    assert 3 <= world.disks[follower].counts["disk full"] - before <= 5
    assert member.wake_at <= world.now_s + 0.25


def test_power_cut_while_the_disk_is_full_loses_nothing(world: World) -> None:
    leader = prepare(world)
    world.propose(b"before")
    world.run(0.1)
    fill(world, leader)
    propose_large(world, b"1")
    world.settle()
    assert is_full(world, leader)
    world.disks[leader].room_bytes = None
    world.shares_power = True
    world.crashed(leader)
    world.run(2.0)
    for name in "abc":
        assert world.machines[name].datas[0] == b"before"


def test_snapshot_that_finds_no_room_is_tried_again_later(world: World) -> None:
    world.options |= {"snapshot_entries": 10, "keep_entries": 2}
    leader = prepare(world)
    follower = next(one for one in "abc" if one != leader)
    world.options["segment_bytes"] = 64 * 1024
    world.stop(follower)
    world.restart(follower)
    world.run(0.1)
    for at in range(8):
        world.propose(b"%d" % at + b"." * 50)
        world.run(0.01)
    fill(world, follower)
    for at in range(8, 16):
        world.propose(b"%d" % at)
        world.run(0.01)
    member = world.members[follower]
    assert member.counts["snapshots_failed"] == 1
    assert not is_full(world, follower)
    assert not [
        name for name in world.disks[follower].list("data/snapshots") if "." in name
    ]
    world.disks[follower].room_bytes = None
    world.run(6.0)
    assert member.counts["snapshots_taken"] == 1


def test_snapshot_from_the_leader_that_finds_no_room_comes_again(
    world: World,
) -> None:
    world.options |= {"snapshot_entries": 5, "keep_entries": 1}
    leader = prepare(world)
    follower = next(one for one in "abc" if one != leader)
    world.isolate(follower)
    for at in range(20):
        world.propose(b"%d" % at)
        world.run(0.01)
    fill(world, follower)
    world.heal()
    world.run(1.0)
    member = world.members[follower]
    assert member.counts["snapshots_failed"] > 0
    assert member.counts["snapshots_installed"] == 0
    world.disks[follower].room_bytes = None
    world.run(2.0)
    assert member.counts["snapshots_installed"] == 1
    assert world.machines[follower].datas == world.machines[leader].datas


def test_disk_that_fails_otherwise_ends_the_node(world: World) -> None:
    leader = prepare(world)
    world.disks[leader].fail_next_sync()
    world.propose(b"1")
    member = world.members[leader]
    with pytest.raises(OSError, match="Input/output error"):
        member.step(world.now_s)
    member.abandon()
    member.abandon()
    assert isinstance(world.answers.given[b"1"], OutcomeUnknownError)


def test_overload_is_refused_for_certain(world: World) -> None:
    leader = prepare(world)
    limit = world.settings.pending_max
    taken = [
        world.members[leader].propose(b"%d" % at, world.answers.to(b"%d" % at))
        for at in range(limit + 2)
    ]
    assert taken == [True] * limit + [False] * 2
    assert isinstance(world.answers.given[b"%d" % limit], OverloadedError)
    world.run(0.5)
    assert len(world.answers.ok()) == limit


@pytest.mark.parametrize("sync", [1, 2, 3])
def test_disk_that_is_full_when_the_group_is_formed_delays_it_only(
    world: World, sync: int
) -> None:
    world.options["segment_bytes"] = 64  # each write needs room for a file
    syncs = 0

    def at_point(name: str, point: str) -> None:
        nonlocal syncs
        if (name, point) == ("a", "before-sync"):
            syncs += 1
            world.disks["a"].room_bytes = 0 if syncs == sync else None

    world.at_point = at_point
    world.start_group("a", "b", "c")
    for _ in range(40):  # not ``run``: a node that never sleeps would be waited for
        world.now_s += 0.05
        world.settle()
    assert world.disks["a"].counts["disk full"] == 1
    assert world.condition("a") == "voter"
    assert world.members["a"].wake_at > world.now_s
