"""What PySyncObj loses as it comes: small scenarios, and a run in bad weather.

Each returns what was answered and is lost. ``docs/engines.md`` has all of them, with
their letters; these are the ones of the zoo.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaos.zoo.stock.cluster import StockCluster, library, still
from chaos.zoo.stock.power_cut import PowerCut
from chaos.zoo.stock.random_run import run_random
from chaos.zoo.stock.wires import Weather

BEYOND_HEARTBEAT_S = 0.11
EAGER = {
    "raftMinTimeout": 0.4,
    "raftMaxTimeout": 1.4,
    "leaderFallbackTimeout": 1.0,
    "logCompactionMinEntries": 50,
}


def lost_by_a_backlog_sent_twice() -> list[str]:
    """P: a repeated append deletes what follows it. No crash of a follower, no lost
    message; a leader that dies in the middle of the second copy."""
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
    assert cluster.values("A") == cluster.values("C")
    return cluster.lost("A")


def lost_by_an_old_answer() -> list[str]:
    """R: acknowledgements carry no term. Two of five nodes die afterwards."""
    five = "ABCDE"
    cluster = StockCluster(five)
    wires = cluster.wires
    cluster.elect("A")
    cluster.run(1.0)

    # In its first reign A reaches B alone; B's acknowledgement stays on the way.
    for name in "CDE":
        wires.isolate(name, "AB")
    cluster.add("A", *(f"first-{number}" for number in range(5)))
    cluster.tick("A")
    cluster.tick("A", after_s=0.2)
    cluster.deliver("B", "A")
    cluster.deliver("A", "B")
    acknowledgement = wires.take("B", "A")
    held = cluster.last_index("B")
    assert acknowledgement["success"]
    assert acknowledgement["next_node_idx"] == held + 1

    # The other three elect C, and all five agree with it: B drops what it had.
    wires.drop_all()
    cluster.elect("C")
    cluster.heal()
    cluster.run(2.0)
    assert cluster.last_index("A") == cluster.last_index("B") < held

    # A leads again, with D alone. That B has nothing of this, the leader cannot tell.
    cluster.elect("A")
    cluster.run(1.0)
    for name in "BCE":
        wires.isolate(name, five)
    cluster.add("A", "second-1", "second-2")
    cluster.tick("A")
    cluster.tick("A", after_s=0.2)
    cluster.deliver("A", "D")
    cluster.deliver("D", "A")
    cluster.tick("A")
    assert cluster.answered == []
    cluster.receive("B", "A", acknowledgement)
    cluster.tick("A")
    told = ["second-1", "second-2"]
    still(cluster.answered == told, "acknowledgements carry no term")

    # A and D die, two of five: the rest is a majority and elects a leader.
    cluster.kill("A")
    cluster.kill("D")
    for one in "BCE":
        for other in "BCE":
            wires.join(one, other)
    cluster.elect("B")
    cluster.run(1.0)
    return cluster.lost("B")


def lost_by_a_power_cut() -> list[str]:
    """W: no file is ever synced. The power goes everywhere at once."""
    with tempfile.TemporaryDirectory() as name, _patcher() as patcher:
        power = PowerCut(Path(name).resolve())
        power.watch(patcher, library.journal)

        def cluster_of_files() -> StockCluster:
            return StockCluster("ABC", files=lambda node: power.folder / node)

        cluster = cluster_of_files()
        cluster.elect("A")
        cluster.run(1.0)
        cluster.add("A", *(f"{number}" for number in range(20)))
        cluster.run(2.0)
        answered = cluster.answered
        assert len(answered) == 20
        assert cluster.term("A") == 1
        still(power.syncs == 0, "no file is ever synced")
        cluster.nodes.clear()
        power.cut()
        after = cluster_of_files()
        still(after.term("B") == 0, "a vote is forgotten")
        after.elect("B")
        after.run(2.0)
        there = set(after.values("B"))
        return [value for value in answered if value not in there]


def lost_in_weather(seed: int, *, is_in_order: bool = False) -> list[str]:
    """Nobody needs to know the faults: messages are lost, doubled and late, nodes cut
    off now and then. What is wrong in the end, one line each."""
    rng = random.Random(seed)
    weather = None if is_in_order else Weather(rng=rng)
    return run_random(StockCluster("ABC", EAGER, weather=weather), rng)


class _Patcher:
    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack

    def setattr(self, target: Any, name: str, value: Any, /) -> None:
        self._stack.callback(setattr, target, name, getattr(target, name))
        setattr(target, name, value)


@contextlib.contextmanager
def _patcher() -> Iterator[_Patcher]:
    """Everything is put back at the end."""
    with contextlib.ExitStack() as stack:
        yield _Patcher(stack)
