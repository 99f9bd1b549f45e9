"""All checkers over one run, and a report to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from chaos.checkers.all_done import all_done
from chaos.checkers.enough_seen import enough_seen
from chaos.checkers.invariants_hold import invariants_hold
from chaos.checkers.no_double_launch import no_double_launch
from chaos.checkers.nothing_answered_lost import nothing_answered_lost
from chaos.checkers.nothing_failed import nothing_failed
from chaos.checkers.offers_known import offers_known
from chaos.checkers.offers_survive import offers_survive
from chaos.checkers.replicas_agree import replicas_agree
from chaos.checkers.updates_in_order import updates_in_order
from chaos.results import Result, Verdict, merge
from raftleader.state.cluster import ClusterState

if TYPE_CHECKING:
    from chaos.sim.whole.history import History
    from chaos.sim.whole.world import World

LEAST = {"crashes": 1, "terms": 2, "launched": 8, "TASK_FINISHED": 4, "subscribed": 3}
"""A run with less of these has shown nothing."""


@attrs.frozen(kw_only=True)
class Report:
    """What a run showed.

    Attributes:
        seconds: Virtual time that passed.
    """

    seed: int
    verdict: Verdict
    results: tuple[Result, ...]
    history: History
    seconds: float

    def __str__(self) -> str:
        """The seed, and every checker that is not content."""
        lines = [f"seed {self.seed}: {self.verdict.value}, {self.seconds:.1f} s"]
        for result in self.results:
            if result.verdict is not Verdict.VALID:
                lines.append(f"  {result.checker}: {result.verdict.value}")
                lines += [f"    {problem}" for problem in result.problems[:20]]
        return "\n".join(lines)


def judge(seed: int, world: World) -> Report:
    """Run every checker over what was seen."""
    history = world.history
    states = [node.state for node in world.nodes]
    last = max(states, key=lambda state: state.index)
    history.counts["terms"] = last.term
    known: set[str] = {task for state in states for _, task in state.tasks}
    known |= {task for state in states for _, task in state.completed_tasks}
    known |= {one.task for one in history.delivered}
    leaving = {one.name for one in world.frameworks if not one.habits.is_returning}
    returning = {
        task for task in history.answered if task.rpartition("-")[0] not in leaving
    }
    results = [
        replicas_agree(history.digests),
        invariants_hold(history.violations, judged=history.entries_judged),
        no_double_launch(
            f"{key[1]} of {key[0]}"
            for machine in world.machines
            for key in machine.containerizer.starts
        ),
        nothing_answered_lost(returning, known),
        updates_in_order(history.delivered, expected_ended=returning),
        *_offers(world, last),
        nothing_failed([*history.failures, *history.errors_logged]),
        all_done(world.unfinished),
        enough_seen(history.counts, LEAST),
    ]
    return Report(
        seed=seed,
        verdict=merge(results),
        results=tuple(results),
        history=history,
        seconds=world.seconds,
    )


def _offers(world: World, state: ClusterState) -> tuple[Result, Result]:
    """P2 from both sides: what was ever offered is accounted for in the log, and what
    frameworks now hold is what the log says."""
    history, frameworks = world.history, world.returning
    seen: set[str] = set()
    used: set[str] = set()
    rescinded: set[str] = set()
    held: dict[str, set[str]] = {}
    in_log: dict[str, set[str]] = {}
    for framework in frameworks:
        name = framework.name
        seen |= history.offers_seen.get(name, set())
        used |= history.offers_used.get(name, set())
        held[name] = set(
            framework.driver.outstanding_offers if framework.driver else ()
        )
        if framework.id is not None and framework.id in state.frameworks:
            row = state.frameworks[framework.id]
            rescinded |= {one.offer_id for one in row.rescinds}
            in_log[name] = set(state.offers_by_framework.get(framework.id, ()))
    return (
        offers_survive(
            before=seen,
            after=set().union(*in_log.values()),
            rescinded=rescinded,
            consumed=used,
        ),
        offers_known(held=held, in_log=in_log),
    )
