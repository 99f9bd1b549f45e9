"""A name that is removed and comes back with another directory is heard again."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import pytest

from raftleader.errors import (
    ConfigError,
    InvalidInputError,
    OutcomeUnknownError,
)
from raftleader.replication.entries import Entry, user_entry
from raftleader.replication.journal import Journal
from raftleader.replication.member import Greeting
from raftleader.replication.member.instances import Instances
from raftleader.replication.member.proposals import Proposals
from raftleader.replication.member.requests import Requests
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.membership import AddLearner, Promote, Remove
from raftleader.replication.raft.messages import (
    AppendEntries,
    Heartbeat,
    RequestVote,
)

World = Any


def change(world: World, wanted: object, seconds: float = 0.3) -> None:
    errors: list[Exception | None] = []
    world.members[world.leader].change(
        wanted, lambda result, error: errors.append(error)
    )
    world.run(seconds)
    assert errors == [None], wanted


def replace(world: World, name: str, *members: str) -> None:
    """Remove ``name``, and add it again with an empty disk."""
    change(world, Remove(name))
    world.stop(name)
    world.disks[name].lose()
    world.start(name, world.peers(*members), is_joining=True)
    for other in members:
        if (name, other) in world.cuts:
            world.members[name].link_down(other)
            world.members[other].link_down(name)
    change(world, AddLearner(Peer(node_id=name, address=f"at-{name}")), 1.0)
    change(world, Promote(name))


@pytest.mark.parametrize("snapshot_entries", [1_000_000, 5])
def test_node_that_was_away_takes_the_new_directory_of_a_replaced_member(
    world: World, snapshot_entries: int
) -> None:
    world.options |= {"snapshot_entries": snapshot_entries, "keep_entries": 0}
    names = ("a", "b", "c", "d", "e")
    world.start_group(*names)
    leader = world.elect()
    away, replaced = [name for name in names if name != leader][:2]
    world.isolate(away)
    replace(world, replaced, *[name for name in names if name != replaced])
    for number in range(20):
        world.propose(b"%d" % number)
        world.run(0.02)
    world.heal()
    world.run(1.0)
    assert world.members[away].core.commit_index == (
        world.members[world.leader].core.commit_index
    )
    for name in names:  # these two and one more must be enough
        if name not in (away, replaced) and len(world.members) > 3:
            world.stop(name)
    world.elect()
    world.propose(b"last")
    world.run(1.0)
    assert b"last" in world.answers.ok()
    assert world.members[away].refusals["other instance"] == 0


def test_learner_is_not_promoted_before_its_directory_is_known(world: World) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    change(world, AddLearner(Peer(node_id="d", address="at-d")))
    errors: list[Exception | None] = []
    world.members[world.leader].change(
        Promote("d"), lambda result, error: errors.append(error)
    )
    world.run(0.1)
    assert isinstance(errors[0], InvalidInputError)
    assert "d was not heard from yet" in str(errors[0])
    world.start("d", world.peers("a", "b", "c"), is_joining=True)
    world.run(1.0)
    change(world, Promote("d"))
    known = world.members["a"].configuration.peer("d")
    assert known is not None and known.instance == world.members["d"].instance


def test_node_that_is_behind_believes_a_greeting_of_a_later_configuration(
    world: World,
) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    member = world.members["a"]
    applied = member.statistics().applied_index
    vote = RequestVote(sender="b", term=9, last_index=99, last_term=8, is_probe=False)
    for as_of, refusals in ((applied, 1), (applied + 1, 1), (0, 2)):
        greeting = Greeting(
            sender="b", cluster_id="c", instance=f"other-{as_of}", as_of=as_of
        )
        member.receive("b", greeting, world.now_s)
        member.receive("b", vote, world.now_s)
        assert member.refusals["other instance"] == refusals


def test_replaced_member_says_since_when_it_is_one(world: World) -> None:
    world.start_group("a", "b", "c")
    leader = world.elect()
    replaced = next(name for name in "abc" if name != leader)
    world.keeps_messages = True
    replace(world, replaced, *[name for name in "abc" if name != replaced])
    world.stop(replaced)
    world.seen.clear()
    world.restart(replaced)
    world.run(0.1)
    greetings = [
        message
        for sender, _, message in world.seen
        if sender == replaced and isinstance(message, Greeting)
    ]
    assert greetings and all(one.as_of > 0 for one in greetings)


class GivenUp:
    """A core that takes every transfer, and has given up the one before."""

    term = 1
    leader = "a"

    def transfer(self, target: str, now_s: float) -> None:
        return None


def test_transfer_that_the_core_gave_up_is_settled_when_another_begins() -> None:
    core: Any = GivenUp()
    requests = Requests(
        Proposals(count_max=1, bytes_max=1), node_id="a", transfer_s=1.0
    )
    answers: list[tuple[str, Exception | None]] = []

    def note(target: str, result: object, error: Exception | None) -> None:
        answers.append((target, error))

    for target, at_s in (("b", 0.0), ("c", 0.5)):
        requests.transfer(target, functools.partial(note, target))
        requests.submit(core, at_s)
    ((name, error),) = answers
    assert name == "b"
    assert isinstance(error, OutcomeUnknownError)


def test_directory_made_anew_before_the_group_began_is_the_one_that_counts(
    world: World,
) -> None:
    peers = world.peers("a", "b", "c")
    world.start("a", peers)
    world.start("b", peers)
    world.run(1.0)  # they greet each other, and wait for c
    world.stop("b")
    world.disks["b"].lose()
    world.start("b", peers)
    world.run(0.5)
    world.start("c", peers)
    world.run(1.0)
    world.isolate("c")
    world.elect()
    world.propose(b"with two of three")
    world.run(0.5)
    assert b"with two of three" in world.answers.ok()
    assert "other instance" not in world.members["a"].refusals


def test_lost_directory_is_noticed_also_by_members_that_joined_later(
    world: World,
) -> None:
    world.start_group("a", "b", "c")
    world.elect()
    for name in ("b", "c"):
        if world.leader == name:
            world.members[name].transfer("a", lambda result, error: None)
            world.run(1.0)
        replace(world, name, "a", "b", "c")
        world.run(0.5)
    world.members["a"].transfer("b", lambda result, error: None)
    world.run(1.0)
    world.stop("a")
    world.disks["a"].lose()
    world.start("a", world.peers("a", "b", "c"))
    with pytest.raises(ConfigError, match="what this node promised is lost"):
        world.run(1.0)


def test_node_that_applies_its_log_again_takes_no_binding_back() -> None:
    def group(**instances: str) -> Configuration:
        return Configuration(
            peers=tuple(
                Peer(node_id=name, address=f"at-{name}", instance=instance)
                for name, instance in instances.items()
            )
        )

    known = Instances(None)
    known.committed(group(a="", b="b2", c=""), 20)
    again = Instances(known.encoded())  # it starts, from a snapshot at 10
    again.committed(group(a="", c=""), 10)
    again.committed(group(a="", b="b1", c=""), 15)
    again.greeted("b", "b1", group(), as_of=19, applied_index=10)
    assert again.bound_to("b") == "b2"
    assert again.refusal("b") == "other instance"
    again.greeted("b", "b3", group(), as_of=25, applied_index=10)
    assert again.bound_to("b") == "b3"
    again.committed(group(a="", c=""), 30)
    assert again.bound_to("b") is None


def test_guests_are_not_written_down(world: World) -> None:
    """They may come with ever new names, and notes have a limit."""
    world.start_group("a", "b", "c")
    world.elect()
    member = world.members["a"]
    before = member.statistics().journal_bytes
    for number in range(20):
        guest = f"guest-{number}"
        greeting = Greeting(sender=guest, cluster_id="c", instance="other", as_of=2**61)
        member.receive(guest, greeting, world.now_s)
    member.step(world.now_s)
    assert member.statistics().journal_bytes == before


def test_start_binds_as_the_snapshot_says_also_when_the_log_goes_on_after_it(
    world: World, stopped: type[Exception]
) -> None:
    """A leader's snapshot was stored, the log caught up by itself meanwhile, and the
    crash was before anything about the members in it was noted."""
    world.options |= {"snapshot_entries": 5, "keep_entries": 0}
    names = ("a", "b", "c", "d", "e")
    world.start_group(*names)
    leader = world.elect()
    away, replaced = [name for name in names if name != leader][:2]
    world.isolate(away)
    replace(world, replaced, *[name for name in names if name != replaced])
    for number in range(20):
        world.propose(b"%d" % number)
        world.run(0.02)

    def at_point(name: str, point: str) -> None:
        if (name, point) == (away, "install-complete"):
            raise stopped(point)

    world.at_point = at_point
    world.heal()
    world.cut(away, replaced)
    while away in world.members:
        world.now_s += 0.01
        world.settle()
    snapshot = world.members[leader].statistics().snapshot_index
    term = world.members[leader].core.term
    journal = Journal.open(
        "data/journal",
        cluster_id="c",
        node_id=away,
        engine="raft",
        disk=world.disks[away],
    )
    journal.reset(snapshot, term)
    journal.append([Entry(user_entry(b"next"), snapshot + 1, term)])
    journal.close()
    world.at_point = lambda name, point: None
    world.cuts.clear()
    world.run(1.0)
    assert world.members[away].statistics().snapshot_index == snapshot
    assert world.members[away].statistics().strangers == ()
    assert world.members[away].refusals["other instance"] == 0


def test_vote_of_a_lost_directory_is_refused_before_its_promotion_is_known_committed(
    world: World,
) -> None:
    """b has the entry that makes d a voter, and neither knows that it is committed nor
    heard from d. d answers for an entry, loses its disk, and its service starts it
    again as it always does: as a joining node, which would vote for anybody."""
    world.start_group("a", "b")
    world.elect()
    if world.leader != "a":
        world.members["b"].transfer("a", lambda result, error: None)
        world.run(1.0)
    change(world, AddLearner(Peer(node_id="d", address="at-d")))
    world.cut("b", "d")
    b = world.members["b"].core
    frozen, deliver = b.commit_index, world.deliver

    def deliver_without_news(sender: str, peer: str, message: Any) -> None:
        if peer == "b" and isinstance(message, Heartbeat | AppendEntries):
            message = msgspec.structs.replace(message, commit_index=frozen)
        deliver(sender, peer, message)

    world.deliver = deliver_without_news
    world.start("d", world.peers("a", "b"), is_joining=True)
    world.run(0.3)
    change(world, Promote("d"))
    world.cut("a", "b")
    world.propose(b"answered")
    world.run(0.1)
    assert world.answers.ok() == [b"answered"]
    assert b.configuration.peer("d").is_voter and b.commit_index == frozen
    world.deliver = deliver
    world.stop("d")
    world.disks["d"].lose()
    world.isolate("a")
    world.cuts -= {("b", "d"), ("d", "b")}
    world.start("d", world.peers("a", "b"), is_joining=True)
    world.run(3.0)
    assert not world.members["b"].leadership.leading
    assert world.members["b"].refusals["other instance"] > 0
    world.heal()
    world.run(2.0)
    assert world.machines["b"].datas == world.machines["a"].datas == [b"answered"]


def test_learner_that_loses_its_disk_before_it_is_known_gets_the_whole_log(
    world: World,
) -> None:
    """What its first directory acknowledged says nothing about the next one."""
    world.start_group("a", "b", "c")
    leader = world.members[world.elect()]
    peers = world.peers("a", "b", "c")
    world.start("d", peers, is_joining=True)
    leader.change(AddLearner(Peer(node_id="d", address="at-d")), lambda *_: None)

    def match() -> int:
        return sum(one.match for one in leader.core.progress() if one.node_id == "d")

    while match() == 0:
        world.now_s += 0.005
        for name in "abcd":
            if match() == 0:
                for peer, message in world.members[name].step(world.now_s):
                    world.deliver(name, peer, message)
    assert leader.core.configuration.peer("d").instance == ""
    world.stop("d")
    world.disks["d"].lose()
    world.start("d", peers, is_joining=True)
    world.run(1.0)
    assert leader.leadership.leading
    assert leader.core.configuration.peer("d").instance == world.members["d"].instance
    assert match() == leader.core.last_index == world.members["d"].core.last_index


def test_member_that_joined_later_knows_the_directories_of_the_formation(
    world: World,
) -> None:
    """d never met c; the c that comes then is not the one that voted before."""
    world.start_group("a", "b", "c")
    world.elect()
    if world.leader == "c":
        world.members["c"].transfer("a", lambda result, error: None)
        world.run(1.0)
    world.stop("c")
    peers = world.peers("a", "b", "c")
    world.start("d", peers, is_joining=True)
    change(world, AddLearner(Peer(node_id="d", address="at-d")), 1.0)
    change(world, Promote("d"))
    world.disks["c"].lose()
    world.start("c", peers, is_joining=True)
    world.run(0.5)
    assert world.members["a"].statistics().strangers == ("c",)
    assert world.members["d"].statistics().strangers == ("c",)
