"""P: a repeated AppendEntries deletes entries that were acknowledged, and committed.

No crash, no lost message, every connection in order; only slower than a heartbeat.
"""

from __future__ import annotations

from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import still
from chaos.zoo.stock.losses import lost_by_a_backlog_sent_twice


def test_stock_loses_answered_commands_when_a_backlog_is_sent_twice() -> None:
    lost = lost_by_a_backlog_sent_twice()
    still(len(lost) > 50, "acknowledged commands are lost by it")


def test_ours_keeps_every_entry_when_a_backlog_is_sent_twice() -> None:
    cluster = MemberCluster("ABC")
    cluster.elect("B")
    cluster.isolate("C")
    cluster.add("B", *(f"{number:03d}" + "x" * 600 for number in range(200)))
    sent = []
    for _ in range(100):
        cluster.tick("B")
        while cluster.wires.waiting("B", "A"):
            message = cluster.wires.take("B", "A")
            sent.append(message)
            cluster.receive("B", "A", message)
        cluster.tick("A")
        cluster.deliver("A", "B")
    assert len(cluster.answered) == 200
    assert len(sent) > 20
    held = cluster.last_index("A")

    for message in sent:  # all of it once more, and the leader dies at any moment
        cluster.receive("B", "A", message)
        assert cluster.last_index("A") == held
    cluster.kill("B")
    cluster.wires.join("A", "C")
    cluster.elect("A")
    cluster.run(2.0)
    assert cluster.lost("A") == []
    assert cluster.values("A") == cluster.values("C")
