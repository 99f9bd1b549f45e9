"""O and Z: callers who never hear, and a leader who never notices."""

from __future__ import annotations

from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import StockCluster, still
from raftleader.errors import NotLeaderError


def test_stock_never_answers_a_command_whose_forwarding_was_lost() -> None:
    cluster = StockCluster("ABC")
    cluster.elect("A")
    cluster.run(1.0)
    cluster.add("B", "forwarded")
    cluster.tick("B")
    cluster.wires.drop("B", "A")
    cluster.run(60.0)
    still(
        (cluster.answered, cluster.failed) == ([], []),
        "a caller waits for ever while the leader stays the same",
    )


def test_stock_never_answers_the_callers_of_a_deposed_leader() -> None:
    cluster = StockCluster("ABC", {"logCompactionMinEntries": 50})
    cluster.elect("A")
    cluster.run(1.0)
    cluster.isolate("A")
    cluster.add("A", "a", "b", "c")
    cluster.tick("A")
    cluster.elect("B")
    cluster.run(60.0)
    still(
        (cluster.answered, cluster.failed) == ([], []),
        "callers of a leader that is cut off wait until it is back",
    )


def test_stock_has_two_leaders_for_half_a_minute_when_one_is_cut_off() -> None:
    """With its own timeout; nothing but a proposal tells the old one."""
    cluster = StockCluster(
        "ABC",
        {
            "raftMinTimeout": 0.4,
            "raftMaxTimeout": 1.4,
            "leaderFallbackTimeout": 30.0,
        },
    )
    cluster.elect("A")
    cluster.run(1.0)
    cluster.isolate("A")
    cluster.run(28.0)
    others = [name for name in "BC" if cluster.is_leader(name)]
    assert len(others) == 1
    still(cluster.is_leader("A"), "a leader that nobody answers goes on for 30 s")


def test_ours_answers_every_caller_of_a_leader_that_is_cut_off() -> None:
    cluster = MemberCluster("ABC")
    cluster.elect("A")
    cluster.isolate("A")
    cluster.add("A", "a", "b", "c")
    cluster.run(1.0)
    assert sorted(cluster.failed) == ["a", "b", "c"]
    assert not cluster.is_leader("A")


def test_ours_forwards_nothing() -> None:
    cluster = MemberCluster("ABC")
    cluster.elect("A")
    cluster.run(1.0)
    cluster.add("B", "elsewhere")
    error = cluster.failed["elsewhere"]
    assert isinstance(error, NotLeaderError)
    assert error.leader == "A"
