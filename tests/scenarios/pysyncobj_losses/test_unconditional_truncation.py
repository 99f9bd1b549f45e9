"""P: a repeated AppendEntries deletes entries that were acknowledged, and committed.

No crash, no lost message, every connection in order; only slower than a heartbeat.
"""

from __future__ import annotations

from support.raft_members import MemberCluster
from support.stock_pysyncobj import StockCluster, still

BEYOND_HEARTBEAT_S = 0.11


def test_stock_loses_answered_commands_when_a_backlog_is_sent_twice() -> None:
    cluster = StockCluster("ABC")
    wires = cluster.wires
    cluster.elect("B")
    cluster.run(1.0)
    cluster.isolate("A")
    cluster.isolate("C")
    cluster.add("B", *(f"{number:03d}" + "x" * 600 for number in range(200)))
    for _ in range(4):
        cluster.tick("B", after_s=BEYOND_HEARTBEAT_S)
    wires.join("A", "B")

    # Two heartbeats before the first answer: two answers that say "start anew".
    cluster.tick("B", after_s=BEYOND_HEARTBEAT_S)
    cluster.tick("B", after_s=BEYOND_HEARTBEAT_S)
    cluster.deliver("B", "A")
    for _ in range(2):
        cluster.deliver("A", "B", 1)
        cluster.tick("B", after_s=BEYOND_HEARTBEAT_S)

    # So the backlog is on its way twice. The first copy is acknowledged, and answered.
    cluster.deliver("B", "A", len(wires.waiting("B", "A")) // 2)
    held = cluster.last_index("A")
    cluster.deliver("A", "B")
    cluster.tick("B", after_s=BEYOND_HEARTBEAT_S)
    cluster.tick("B", after_s=BEYOND_HEARTBEAT_S)
    assert len(cluster.answered) == 200

    # The beginning of the second copy arrives, and then the leader dies.
    cluster.deliver("B", "A", 1)
    still(cluster.last_index("A") < held, "a repeated append deletes what follows it")
    cluster.kill("B")
    wires.join("A", "C")
    cluster.elect("A")
    cluster.run(1.0)
    still(len(cluster.lost("A")) > 50, "acknowledged commands are lost by it")
    assert cluster.values("A") == cluster.values("C")


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
