"""A: a piece of a snapshot raises the commit index over entries that do not match.

A deposed leader then answers SUCCESS for commands that no other node ever saw. Every
connection is in order, nobody crashes, no disk fails.
"""

from __future__ import annotations

import random

from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import StockCluster, still


def test_stock_answers_success_for_commands_that_never_committed() -> None:
    cluster = StockCluster(
        "ABC", {"logCompactionMinEntries": 50, "logCompactionBatchSize": 256}
    )
    cluster.elect("A")
    cluster.run(1.0)
    cluster.isolate("A")
    alone = [f"alone-{number}" for number in range(10)]
    cluster.add("A", *alone)
    cluster.tick("A")

    cluster.elect("B")
    rng = random.Random(1)
    cluster.add("B", *(f"{rng.getrandbits(128):032x}" for _ in range(200)))
    cluster.run(3.0)
    cluster.nodes["B"].forceLogCompaction()
    cluster.run(0.5)
    assert cluster.first_index("B") > cluster.last_index("A")
    assert cluster.answered[:1] != alone[:1]

    # A is back and is sent the snapshot; it ticks before the last piece is there.
    cluster.heal()
    for _ in range(200):
        cluster.tick("B", after_s=0.02)
        cluster.deliver("A", "B")
        cluster.deliver("B", "A", 1)
        cluster.tick("A")
        if set(alone) & set(cluster.answered):
            break
    told = [value for value in cluster.answered if value in alone]
    still(told == alone, "a piece of a snapshot commits entries that do not match")

    cluster.run(5.0)
    assert cluster.values("A") == cluster.values("B") == cluster.values("C")
    still(cluster.lost("B") == alone, "what was answered so is in no state")


def test_ours_answers_no_success_for_commands_that_never_committed() -> None:
    cluster = MemberCluster("ABC", snapshot_entries=50)
    cluster.elect("A")
    cluster.run(1.0)
    alone = [f"alone-{number}" for number in range(10)]
    cluster.favour("B")
    cluster.isolate("A")
    cluster.add("A", *alone)
    cluster.run(1.0)
    rng = random.Random(1)
    cluster.elect("B")
    for _ in range(20):
        cluster.add("B", *(f"{rng.getrandbits(128):032x}" for _ in range(10)))
        cluster.run(0.1)
    tail = cluster.last_index("A")
    assert tail >= 10
    assert cluster.first_index("B") > tail

    cluster.heal()
    for _ in range(2000):  # one message at a time, and a step of A after each
        cluster.tick("B", "C", after_s=0.001)
        for sender, receiver in (("A", "B"), ("A", "C"), ("B", "C"), ("C", "B")):
            cluster.deliver(sender, receiver)
        cluster.deliver("C", "A")
        cluster.deliver("B", "A", 1)
        cluster.tick("A")
    cluster.run(2.0)
    assert cluster.members["A"].core.counts["snapshots_installed"] == 1
    assert not set(alone) & set(cluster.answered)
    assert set(cluster.failed) >= set(alone)
    assert cluster.values("A") == cluster.values("B") == cluster.values("C")
    assert cluster.lost("A") == []
    assert len(cluster.answered) == 200
