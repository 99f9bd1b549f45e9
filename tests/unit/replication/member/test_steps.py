"""The order of a step, its bounds, and what callers are told."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.errors import (
    InvalidInputError,
    NotLeaderError,
    OutcomeUnknownError,
    RaftLeaderError,
)
from raftleader.replication.entries import user_entry
from raftleader.replication.member.applying import BYTES_MAX, ENTRIES_MAX
from raftleader.replication.raft.messages import AppendEntries, AppendReply

World = Any


@pytest.fixture
def group(world: World) -> World:
    world.start_group("a", "b", "c")
    world.elect()
    world.run(0.1)
    return world


def follower_of(world: World) -> str:
    return next(one for one in "abc" if one != world.leader)


def test_proposals_of_a_step_share_a_sync_and_a_message(group: World) -> None:
    leader, disk = group.leader, group.disks[group.leader]
    group.propose(*(b"%d" % at for at in range(500)))
    before = disk.operations
    messages = group.members[leader].step(group.now_s)
    appends = [one for _, one in messages if isinstance(one, AppendEntries)]
    assert disk.operations - before == 2, "a write and a sync"
    assert [len(one.entries) for one in appends] == [500, 500]
    assert appends[0] is appends[1], "encoded once"


def test_messages_leave_only_after_the_sync(group: World) -> None:
    follower, leader = follower_of(group), group.leader
    group.propose(b"1")
    for peer, message in group.members[leader].step(group.now_s):
        group.deliver(leader, peer, message)
    passed: list[str] = []
    group.at_point = lambda name, point: passed.append(point)
    messages = group.members[follower].step(group.now_s)
    assert any(isinstance(one, AppendReply) for _, one in messages)
    assert passed == ["before-sync", "after-sync", "before-send"]


def test_proposal_is_answered_when_it_is_applied_here(group: World) -> None:
    group.propose(b"1")
    leader = group.leader
    for peer, message in group.members[leader].step(group.now_s):
        group.deliver(leader, peer, message)
    assert group.answers.given == {}
    group.settle()
    machine = group.machines[group.leader]
    assert group.answers.given == {b"1": (machine.applied[-1][0], machine._sum)}


def test_follower_that_catches_up_applies_a_bounded_part_in_each_step(
    group: World,
) -> None:
    follower = follower_of(group)
    group.isolate(follower)
    for _ in range(3):
        group.propose(*(b"%d" % at for at in range(ENTRIES_MAX)))
        group.answers.given.clear()
        group.run(0.01)
    group.heal()
    member, machine = group.members[follower], group.machines[follower]
    most = 0
    while len(machine.applied) < 3 * ENTRIES_MAX:
        before = len(machine.applied)
        for name in "abc":
            for peer, message in group.members[name].step(group.now_s):
                group.deliver(name, peer, message)
            if name == follower:
                most = max(most, len(machine.applied) - before)
                if member.core.commit_index > member.statistics().applied_index:
                    assert member.wake_at <= group.now_s
        group.now_s += 0.001
    assert most == ENTRIES_MAX


def test_large_entries_are_applied_few_at_a_time(group: World) -> None:
    group.propose(*(b"%d" % at + bytes(BYTES_MAX // 2) for at in range(4)))
    machine = group.machines[group.leader]
    sizes: list[int] = []
    for _ in range(20):
        for name in "abc":
            before = len(machine.applied)
            for peer, message in group.members[name].step(group.now_s):
                group.deliver(name, peer, message)
            if name == group.leader:
                sizes.append(len(machine.applied) - before)
    assert sum(sizes) == 4 and max(sizes) == 2


def test_step_with_nothing_to_do_does_nothing(group: World) -> None:
    member = group.members[follower_of(group)]
    before = group.disks[member.node_id].operations
    assert member.step(group.now_s) == []
    assert member.wake_at > group.now_s
    assert group.disks[member.node_id].operations == before
    assert not member.has_background and not member.background()


def test_follower_refuses_proposals_and_names_the_leader(group: World) -> None:
    member = group.members[follower_of(group)]
    assert not member.propose(b"1", group.answers.to(b"1"))
    member.read(group.answers.to(b"2"))
    member.transfer("a", group.answers.to(b"3"))
    for error in group.answers.given.values():
        assert isinstance(error, NotLeaderError)
        assert error.leader == group.leader
    assert len(group.answers.given) == 3


def test_proposal_that_is_too_large_is_refused(group: World) -> None:
    size = group.settings.entry_bytes_max + 1
    assert not group.members[group.leader].propose(bytes(size), group.answers.to(b"1"))
    assert isinstance(group.answers.given[b"1"], InvalidInputError)


def test_proposals_of_a_deposed_leader_are_unknown_at_once(group: World) -> None:
    leader = group.leader
    group.isolate(leader)
    group.propose(b"1", b"2")
    group.run(1.0)
    assert [type(one) for one in group.answers.given.values()] == [
        OutcomeUnknownError
    ] * 2
    assert not group.members[leader].leadership.leading


def test_read_includes_everything_answered_before(group: World) -> None:
    group.propose(*(b"%d" % at for at in range(10)))
    group.run(0.1)
    member = group.members[group.leader]
    member.read(group.answers.to(b"read"))
    member.read(group.answers.to(b"again"))
    group.settle()
    last = group.machines[group.leader].applied[-1][0]
    assert group.answers.given[b"read"] == group.answers.given[b"again"] == last


def test_read_of_an_isolated_leader_is_never_answered_with_success(
    group: World,
) -> None:
    leader = group.leader
    group.isolate(leader)
    group.members[leader].read(group.answers.to(b"read"))
    group.run(2.0)
    assert isinstance(group.answers.given[b"read"], NotLeaderError)


def test_transfer_hands_over(group: World) -> None:
    target = follower_of(group)
    group.members[group.leader].transfer(target, group.answers.to(b"transfer"))
    group.run(0.3)
    assert group.answers.given == {b"transfer": target}
    assert group.leader == target


def test_transfer_that_fails_ends(group: World) -> None:
    target, leader = follower_of(group), group.leader
    group.cut(target, leader)
    group.members[leader].transfer(target, group.answers.to(b"1"))
    group.members[leader].transfer("nobody", group.answers.to(b"2"))
    group.run(2.0)
    assert {type(one) for one in group.answers.given.values()} <= {
        InvalidInputError,
        OutcomeUnknownError,
    }
    assert len(group.answers.given) == 2


def test_close_settles_everything(group: World) -> None:
    leader = group.leader
    group.propose(b"1")
    group.members[leader].step(group.now_s)
    group.propose(b"2")
    member = group.members[leader]
    member.read(group.answers.to(b"3"))
    member.transfer("b", group.answers.to(b"4"))
    member.close()
    member.close()
    kinds = {name: one.definite for name, one in group.answers.given.items()}
    assert kinds == {b"1": False, b"2": True, b"3": True, b"4": True}
    assert all(isinstance(o, RaftLeaderError) for o in group.answers.given.values())


def test_error_of_the_machine_ends_the_node(group: World) -> None:
    class Broken(Exception):
        pass

    def fail(index: int, term: int, data: bytes) -> object:
        raise Broken

    group.machines[group.leader].apply = fail
    group.propose(b"1")
    with pytest.raises(Broken):
        group.run(1.0)


def test_leader_waits_with_a_snapshot_while_it_sends_one(world: World) -> None:
    world.options |= {"snapshot_entries": 10, "keep_entries": 1}
    world.start_group("a", "b", "c")
    leader = world.elect()
    lagging = follower_of(world)
    world.isolate(lagging)
    for at in range(12):
        world.propose(b"%d" % at)
        world.run(0.01)
    taken = world.members[leader].counts["snapshots_taken"]
    assert taken >= 1
    world.heal()
    for at in range(12, 38):
        world.propose(b"%d" % at)
        world.settle()
    assert world.members[leader].counts["snapshots_taken"] == taken
    world.run(3.0)
    for at in range(38, 60):
        world.propose(b"%d" % at)
        world.run(0.01)
    assert world.members[leader].counts["snapshots_taken"] > taken


def test_snapshot_is_installed_only_when_entries_before_it_are_written(
    world: World,
) -> None:
    world.options |= {"snapshot_entries": 5, "keep_entries": 0}
    world.start_group("a", "b", "c")
    leader = world.elect()
    behind = follower_of(world)
    world.isolate(behind)
    for at in range(20):
        world.propose(b"%d" % at)
        world.run(0.01)
    world.heal()
    member, core = world.members[behind], world.members[leader].core
    while not member.statistics().is_installing:
        world.now_s += 0.005
        for name in "abc":
            if not member.statistics().is_installing:
                for peer, message in world.members[name].step(world.now_s):
                    world.deliver(name, peer, message)
    member.step(world.now_s)
    after, last = member.core.last_index, core.last_index
    entries = AppendEntries(
        sender=leader,
        term=core.term,
        prev_index=after,
        prev_term=member.core.last_term,
        commit_index=0,
        entries=tuple((core.term, user_entry(b".")) for _ in range(last + 1 - after)),
    )
    member.receive(leader, entries, world.now_s)
    assert not member.background()
    for _ in range(10):
        member.step(world.now_s)
        member.background()
    assert not member.statistics().is_installing
    assert member.statistics().applied_index == member.core.commit_index > after
    assert member.core.last_index == last + 1
