"""What a run showed, once it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chaos.checkers.all_done import all_done
from chaos.checkers.enough_seen import enough_seen
from chaos.checkers.nothing_answered_lost import nothing_answered_lost
from chaos.results import Result, Verdict
from chaos.sim.options import Fault
from chaos.sim.report import Report
from chaos.sim.whole.engines import faults_of
from raftleader.node import Engine

if TYPE_CHECKING:
    from chaos.sim.whole.world import World

ANSWERED = "P1 answered means committed"
ARRIVED = "P6 updates arrive in order"
DONE = "everything gets done"
LEAST = {
    "elections": 2,
    "launched": 6,
    "TASK_FINISHED": 3,
    "subscribed": 2,
    "acked": 10,
}
"""A run with less of these has shown nothing."""
OF_OUR_ENGINE = {"snapshots": 1}

DISK_FAULTS = {
    "lost": Fault.LOST_WRITES,
    "lost renaming": Fault.LOST_WRITES,
    "torn": Fault.TORN_WRITES,
    "flipped": Fault.BIT_FLIPS,
    "failed sync": Fault.FAILED_SYNC,
    "disk full": Fault.FULL_DISK,
    "stall": Fault.SLOW_DISK,
}
"""By their names in ``SimDisk.counts``."""


def make_report(world: World, engine: Engine) -> Report:
    """All there is to say of a run."""
    history = world.history
    _judge_the_end(world)
    counts = Counter(history.counts) + world.network.counts
    counts["elections"] = history.terms_led
    counts["crashes"] += 0
    counts["snapshots"] = history.points["snapshot-stored"]
    counts["restored"] = history.points["install-restored"]
    counts["subscriptions judged"] = world.offers_judge.judged
    coverage = Counter(history.coverage)
    for node in world.nodes:
        for name, fault in DISK_FAULTS.items():
            coverage[fault] += node.disk.counts[name]
    least = LEAST | (OF_OUR_ENGINE if engine is Engine.RAFT else {})
    seen = enough_seen(counts, least)
    return Report(
        seed=history.seed,
        level="whole",
        engine=engine.value,
        verdict=Verdict.INVALID if history.violations else seen.verdict,
        violations=tuple(history.violations),
        lacking=seen.problems,
        counts=dict(sorted(counts.items())),
        coverage={fault: coverage[fault] for fault in faults_of(engine)},
        sim_seconds=round(history.clock.now_s, 3),
        trace_hash=history.trace_hash,
        options=str(world.options),
    )


def _judge_the_end(world: World) -> None:
    history = world.history
    history.report(_named(DONE, all_done(world.unfinished)))
    known = set(history.heard)
    for node in world.nodes:
        known.update(task for _, task in node.state.tasks)
        known.update(task for _, task in node.state.completed_tasks)
    leaving = {one.name for one in world.frameworks if not one.habits.is_returning}
    stayed = [
        task for task in history.answered if task.rpartition("-")[0] not in leaving
    ]
    history.report(_named(ANSWERED, nothing_answered_lost(stayed, known)))
    history.report(
        (ARRIVED, f"the end of task {task} never arrived")
        for task in stayed
        if task not in history.ended
    )


def _named(name: str, result: Result) -> Iterable[tuple[str, str]]:
    return [(name, text) for text in result.problems]
