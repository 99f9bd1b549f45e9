"""Who belongs to a group: formation, lost directories, newcomers, leavers."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.sim.disk import SimDisk
from raftleader.errors import ConfigError, InvalidInputError
from raftleader.replication.member import Greeting
from raftleader.replication.raft.configuration import Peer
from raftleader.replication.raft.membership import AddLearner, Promote, Remove
from raftleader.replication.raft.messages import RequestVote

World = Any


def change(world: World, wanted: object) -> object:
    answers: list[tuple[object, Exception | None]] = []
    member = world.members[world.leader]
    member.change(wanted, lambda result, error: answers.append((result, error)))
    world.run(0.3)
    ((result, error),) = answers
    if error is not None:
        raise error
    return result


def add_learner(world: World, name: str) -> None:
    peer = Peer(node_id=name, address=f"at-{name}", is_voter=False)
    change(world, AddLearner(peer))


def test_group_does_nothing_until_every_voter_was_heard(world: World) -> None:
    world.start("a", world.peers("a", "b", "c"))
    world.start("b", world.peers("a", "b", "c"))
    world.run(5.0)
    assert world.condition("a") == world.condition("b") == "forming"
    assert world.members["a"].statistics().waits_for == "not heard from c"
    assert world.members["a"].core.term == 0
    world.start("c", world.peers("a", "b", "c"))
    world.run(0.0)
    assert [world.condition(name) for name in "abc"] == ["voter"] * 3
    world.elect()


def test_node_that_is_not_formed_gives_no_vote(world: World) -> None:
    member = world.start("a", world.peers("a", "b", "c"))
    greeting = Greeting(sender="b", cluster_id="c", instance="b1")
    member.receive("b", greeting, world.now_s)
    vote = RequestVote(sender="b", term=1, last_index=0, last_term=0, is_probe=False)
    member.receive("b", vote, world.now_s)
    messages = [message for _, message in member.step(world.now_s)]
    assert messages and all(isinstance(one, Greeting) for one in messages)
    assert member.refusals["not formed"] == 1
    assert member.core.term == 0


def test_formed_group_starts_again_with_a_majority(world: World) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    for name in "abc":
        world.stop(name)
    world.restart("a")
    world.restart("b")
    world.elect()


def test_node_with_a_lost_directory_refuses_to_run(world: World) -> None:
    world.start_group("a", "b", "c")
    leader = world.elect()
    world.propose(b"1")
    world.run(0.1)
    victim = next(one for one in "abc" if one != leader)
    world.stop(victim)
    world.disks[victim].lose()
    with pytest.raises(ConfigError, match="Remove it from the group"):
        world.restart(victim)
        world.run(1.0)
    world.members.pop(victim)
    world.run(1.0)
    world.propose(b"2")
    world.run(0.1)
    assert world.answers.ok() == [b"1", b"2"]


def test_peer_with_another_instance_is_not_heard(world: World) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    member = world.members["a"]
    greeting = Greeting(sender="b", cluster_id="c", instance="another")
    member.receive("b", greeting, world.now_s)
    vote = RequestVote(sender="b", term=9, last_index=99, last_term=8, is_probe=False)
    member.receive("b", vote, world.now_s)
    assert member.refusals["other instance"] == 1
    assert member.core.term < 9


def test_peer_that_did_not_greet_is_asked_to_and_not_heard(world: World) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    member = world.members["a"]
    member.peer_lost("b", world.now_s)
    world.settle()
    vote = RequestVote(sender="b", term=9, last_index=99, last_term=8, is_probe=False)
    for _ in range(5):
        member.receive("b", vote, world.now_s)
    assert member.refusals["not greeted"] == 5
    asked = [(peer, m) for peer, m in member.step(world.now_s) if peer == "b"]
    assert [type(message) for _, message in asked] == [Greeting]
    for _, message in asked:
        world.deliver("a", "b", message)
    world.settle()
    member.receive("b", vote, world.now_s)
    assert member.refusals["not greeted"] == 5


def test_greeting_of_another_cluster_or_in_anothers_name_is_refused(
    world: World,
) -> None:
    member = world.start("a", world.peers("a", "b"))
    for cluster, sender in (("other", "b"), ("c", "d")):
        greeting = Greeting(sender=sender, cluster_id=cluster, instance="1")
        member.receive("b", greeting, world.now_s)
    assert member.refusals == {"other cluster": 1, "other sender": 1}
    assert member.statistics().waits_for == "not heard from b"


def test_newcomer_gets_a_snapshot_and_a_voice(world: World) -> None:
    world.options |= {"snapshot_entries": 10, "keep_entries": 2}
    world.start_group("a", "b", "c")
    world.elect()
    for at in range(30):
        world.propose(b"%d" % at)
        world.run(0.01)
    world.start("d", world.peers("a", "b", "c"), is_joining=True)
    world.run(2.0)
    assert world.condition("d") == "joining"
    assert world.members["d"].core.term == 0
    add_learner(world, "d")
    world.run(0.5)
    assert world.condition("d") == "learner"
    assert world.members["d"].counts["snapshots_installed"] == 1
    assert world.machines["d"].datas == world.machines["a"].datas
    change(world, Promote("d"))
    assert world.condition("d") == "voter"
    for name in "abc":
        world.stop(name)
        world.restart(name)
    world.stop("d")
    world.start("d", world.peers("d"))  # what it is told now does not count
    world.run(1.0)
    assert world.members["d"].configuration.node_ids == ("a", "b", "c", "d")
    assert world.leader is not None


def test_newcomer_needs_its_greeting_bound_only_once(world: World) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    world.start("d", world.peers("a", "b", "c"), is_joining=True)
    add_learner(world, "d")
    world.run(0.3)
    assert world.condition("d") == "learner"
    world.stop("d")
    world.disks["d"].lose()
    world.start("d", world.peers("a", "b", "c"), is_joining=True)
    world.propose(b"1")
    world.run(1.0)
    assert world.machines["d"].applied == []
    assert world.members[world.leader].refusals["other instance"] > 0
    change(world, Remove("d"))
    add_learner(world, "d")
    world.run(1.0)
    assert world.machines["d"].datas == [b"1"]


@pytest.mark.parametrize("is_told", [True, False])
def test_removed_member_deposes_nobody(world: World, is_told: bool) -> None:
    world.start_group("a", "b", "c")
    leader = world.elect()
    leaving = next(one for one in "abc" if one != leader)
    if not is_told:
        world.cut(leader, leaving)
    change(world, Remove(leaving))
    world.heal()
    term = world.members[leader].core.term
    world.run(5.0)
    for _ in range(2):
        assert world.condition(leaving) == ("removed" if is_told else "voter")
        assert world.leader == leader
        assert world.members[leader].core.term == term
        world.stop(leaving)
        world.restart(leaving)
        world.run(5.0)


def test_newcomer_that_was_removed_again_is_not_taken_for_one_that_waits(
    world: World,
) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    world.start("d", world.peers("a", "b", "c"), is_joining=True)
    world.run(0.3)
    assert world.condition("d") == "joining"
    add_learner(world, "d")
    world.run(0.3)
    change(world, Promote("d"))
    world.run(0.3)
    assert world.condition("d") == "voter"
    change(world, Remove("d"))
    world.run(0.3)
    assert world.condition("d") == "removed"
    world.stop("d")
    world.restart("d")
    world.run(0.3)
    assert world.condition("d") == "removed"


def test_removed_leader_goes_on_quietly(world: World) -> None:
    world.start_group("a", "b", "c")
    leader = world.elect()
    change(world, Remove(leader))
    world.run(2.0)
    assert world.leader not in (leader, None)
    term = world.members[world.leader].core.term
    assert world.condition(leader) == "removed"
    world.stop(leader)
    world.restart(leader)
    world.run(5.0)
    assert world.condition(leader) == "removed"
    assert world.members[world.leader].core.term == term


def test_change_that_cannot_be_made_says_why(world: World) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    with pytest.raises(InvalidInputError, match="nobody"):
        change(world, Remove("nobody"))
    follower = next(one for one in "abc" if one != world.leader)
    answers: list[Exception | None] = []
    world.members[follower].change(
        Remove("a"), lambda result, error: answers.append(error)
    )
    assert [str(one) for one in answers] == [f"not the leader; try {world.leader}"]


def test_unformed_group_survives_power_cuts_at_every_operation(
    make_world: Any,
) -> None:
    world = make_world()
    world.start_group("a", "b", "c")
    world.run(0.0)
    operations = world.disks["a"].operations
    assert operations > 8
    for operation in range(1, operations + 1):
        world = make_world()
        world.disks["a"] = SimDisk(world._rng)
        world.disks["a"].cut_power_in(operation)
        for name in "abc":
            world.launch(name, world.peers("a", "b", "c"), is_joining=False)
        world.run(0.5)
        world.elect()
        world.propose(b"1")
        world.run(0.2)
        assert world.answers.ok() == [b"1"]
