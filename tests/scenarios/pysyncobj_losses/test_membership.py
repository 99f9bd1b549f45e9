"""I: several changes of the members at once, so that majorities need not meet."""

from __future__ import annotations

from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import StockCluster, StockNode, still
from raftleader.errors import InvalidInputError
from raftleader.replication.raft.configuration import Peer
from raftleader.replication.raft.membership import AddLearner


def test_stock_takes_four_changes_of_which_none_is_committed() -> None:
    cluster = StockCluster("ABC", {"dynamicMembershipChange": True})
    cluster.elect("A")
    cluster.run(1.0)
    cluster.isolate("A")
    refused: list[int] = []
    for name in "DEFG":
        cluster.nodes["A"].addNodeToCluster(
            StockNode(name), callback=lambda _result, reason: refused.append(reason)
        )
    cluster.tick("A")
    members = sorted(node.id for node in cluster.nodes["A"].otherNodes)
    still(members == list("BCDEFG"), "a change does not wait for the one before")
    assert refused == []


def test_ours_takes_a_second_change_only_when_the_first_is_committed() -> None:
    cluster = MemberCluster("ABC")
    cluster.elect("A")
    cluster.isolate("A")
    answers: dict[str, Exception | None] = {}
    for name in "DE":
        cluster.members["A"].change(
            AddLearner(Peer(node_id=name, address=name)),
            lambda _result, error, name=name: answers.update({name: error}),
        )
    cluster.tick("A")
    assert list(answers) == ["E"]
    assert isinstance(answers["E"], InvalidInputError)
    assert "another change is under way" in str(answers["E"])
