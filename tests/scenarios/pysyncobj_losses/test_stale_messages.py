"""R and H: answers that carry no term, and votes that are counted by message.

A message that is late, or comes twice, is enough. The library's own transport makes
such messages at a reconnect: the old socket is read on beside the new one.
"""

from __future__ import annotations

from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import StockCluster, still
from chaos.zoo.stock.losses import lost_by_an_old_answer
from raftleader.replication.raft.messages import AppendReply, VoteReply

FIVE = "ABCDE"


def test_stock_commits_by_an_acknowledgement_of_an_earlier_reign() -> None:
    lost = lost_by_an_old_answer()
    told = ["second-1", "second-2"]
    still(lost == told, "commands answered on two of five are lost")


def test_stock_elects_two_leaders_of_a_term_by_a_vote_that_comes_twice() -> None:
    cluster = StockCluster(FIVE)
    wires = cluster.wires
    for name in "CDE":
        wires.isolate(name, "AB")
    cluster.campaign("A")
    cluster.deliver("A", "B")
    vote = wires.take("B", "A")
    cluster.receive("B", "A", vote)
    assert not cluster.is_leader("A")
    cluster.receive("B", "A", vote)
    still(cluster.is_leader("A"), "votes are counted by message, not by voter")

    cluster.elect("C")
    assert cluster.is_leader("A")
    assert cluster.term("A") == cluster.term("C") == 1
    cluster.run(1.0)

    # Both find a majority, since D believes either: A commits, then C does.
    for peer in "BD":
        wires.join("A", peer)
    wires.isolate("D", "C")
    cluster.add("A", "of A")
    cluster.run(1.0)
    assert cluster.answered == ["of A"]
    wires.isolate("A", FIVE)
    wires.join("C", "D")
    cluster.add("C", "of C")
    cluster.run(1.0)
    assert cluster.answered == ["of A", "of C"]
    still(
        cluster.values("A") == ["of A"] and cluster.values("C") == ["of C"],
        "two leaders of one term answer for the same place in the log",
    )


def test_ours_counts_no_acknowledgement_of_an_earlier_reign() -> None:
    cluster = MemberCluster(FIVE)
    wires = cluster.wires
    cluster.elect("A")
    cluster.run(1.0)
    first_reign = cluster.term("A")
    cluster.favour("C")
    cluster.run(0.5)

    for name in "CDE":
        wires.isolate(name, "AB")
    cluster.add("A", *(f"first-{number}" for number in range(5)))
    cluster.tick("A")
    cluster.deliver("A", "B")
    cluster.tick("B")
    held = cluster.last_index("B")
    (acknowledgement,) = (
        one for one in wires.waiting("B", "A") if isinstance(one, AppendReply)
    )
    assert acknowledgement.is_accepted
    assert acknowledgement.index == held

    wires.drop_all()
    cluster.elect("C")
    cluster.heal()
    cluster.run(2.0)
    assert cluster.last_index("A") == cluster.last_index("B") < held

    cluster.elect("A")
    cluster.run(1.0)
    assert cluster.term("A") > first_reign
    for name in "BCE":
        wires.isolate(name, FIVE)
    cluster.add("A", "second-1", "second-2", "second-3", "second-4", "second-5")
    cluster.tick("A")
    cluster.deliver("A", "D")
    cluster.tick("D")
    cluster.deliver("D", "A")
    cluster.tick("A")
    assert cluster.last_index("A") >= held
    cluster.receive("B", "A", acknowledgement)
    cluster.tick("A")
    assert cluster.answered == []

    cluster.kill("A")
    cluster.kill("D")
    for one in "BCE":
        for other in "BCE":
            wires.join(one, other)
    cluster.elect("B")
    cluster.add("B", "after")
    cluster.run(1.0)
    assert cluster.answered == ["after"]
    assert cluster.lost("B") == []


def test_ours_elects_one_leader_of_a_term_though_every_vote_comes_twice() -> None:
    cluster = MemberCluster(FIVE)
    wires = cluster.wires
    cluster.favour("A")
    while not cluster.members["A"].core.counts["campaigns"]:
        cluster.tick(after_s=0.01)
        for sender in FIVE:
            for receiver in FIVE:
                cluster.deliver(sender, receiver)
    term = cluster.term("A")
    cluster.tick("A")
    cluster.deliver("A", "B")
    cluster.tick("B")
    (vote,) = (one for one in wires.waiting("B", "A") if isinstance(one, VoteReply))
    assert vote.is_granted
    assert vote.term == term
    for name in "CDE":
        wires.isolate(name, "AB")
    for _ in range(10):
        cluster.receive("B", "A", vote)
        cluster.tick("A")
    assert cluster.members["A"].core.leader is None

    cluster.elect("C")
    cluster.add("C", "of C")
    cluster.run(1.0)
    cluster.heal()
    cluster.run(2.0)
    assert cluster.answered == ["of C"]
    assert not any(cluster.lost(name) for name in FIVE)
    assert all(len(leaders) == 1 for leaders in cluster.leaders.values())
