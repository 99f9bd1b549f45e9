"""B: a node whose log differs, and that is far behind, is never caught up.

All messages arrive, in order, for two minutes. The next failure of another node is
then an outage.
"""

from __future__ import annotations

from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import StockCluster, still

HEALTHY_S = 120.0


def cluster_with_a_conflict(entries: int) -> StockCluster:
    """A has three entries of its own, and lacks ``entries`` of 600 bytes."""
    cluster = StockCluster("ABC")
    cluster.elect("A")
    cluster.run(1.0)
    cluster.isolate("A")
    cluster.add("A", "a", "b", "c")
    cluster.tick("A")
    cluster.elect("B")
    cluster.add("B", *("x" * 600 for _ in range(entries)))
    cluster.run(2.0)
    cluster.heal()
    return cluster


def test_stock_never_catches_up_a_node_with_a_conflict_and_a_long_backlog() -> None:
    cluster = cluster_with_a_conflict(150)
    cluster.run(HEALTHY_S)
    behind = cluster.last_index("B") - cluster.last_index("A")
    still(behind > 100, "a backlog of more than one message is refused for ever")
    assert cluster.values("A") == []


def test_stock_catches_up_a_node_with_a_short_backlog() -> None:
    """So that the test above shows the backlog, and not a mistake of ours."""
    cluster = cluster_with_a_conflict(60)
    cluster.run(5.0)
    assert cluster.values("A") == cluster.values("B") == ["x" * 600] * 60


def test_ours_catches_up_a_node_with_a_conflict_and_a_long_backlog() -> None:
    cluster = MemberCluster("ABC")
    cluster.elect("A")
    cluster.favour("B")
    cluster.run(0.5)
    cluster.isolate("A")
    cluster.add("A", "a", "b", "c")
    cluster.tick("A")
    cluster.elect("B")
    backlog = [f"{number:03d}" + "x" * 600 for number in range(400)]
    assert 50 * cluster.settings.append_bytes_max < 400 * 600
    cluster.add("B", *backlog)
    cluster.run(1.0)
    cluster.heal()
    cluster.run(2.0)
    assert cluster.values("A") == cluster.values("B") == backlog
    assert cluster.members["A"].core.counts["truncations"] == 1
