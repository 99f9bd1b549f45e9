"""What must be so at the end of executors, operations, volumes and orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from chaos.checkers.operations_told import OperationsTold
from chaos.checkers.volumes_kept import VolumesKept
from chaos.sim.fast.agent import SimAgent
from chaos.sim.options import Work
from raftleader.protocol.ids import AgentId
from raftleader.state.cluster import ClusterState

if TYPE_CHECKING:
    from chaos.sim.fast.world import World

DONE = "everything gets done"
LEDGER = "operations are as their frameworks left them"
LEAST = {
    Work.RESERVATIONS: {"RESERVE": 2},
    Work.VOLUMES: {"RESERVE": 2, "CREATE": 1},
    Work.GROUPS: {"LAUNCH_GROUP": 1},
    Work.EXECUTORS: {"executors subscribed": 1, "tasks of executors": 1},
    Work.QUOTA: {"orders": 1},
    Work.DRAINING: {"orders": 1},
    Work.GONE: {"orders": 1},
    Work.MAINTENANCE: {"orders": 1},
}
"""A run with less of what it was to do has shown nothing."""


def least_of(work: tuple[Work, ...]) -> dict[str, int]:
    """What must have happened in a run with this work."""
    return {name: count for one in work for name, count in LEAST[one].items()}


def judge_work(world: World, state: ClusterState, latest_ms: int) -> None:
    """``state`` is the leader's; what is younger than ``latest_ms`` is left out."""
    judge = world.judge
    judge.report(DONE, world.orders.unfinished(state))
    judge.report(
        OperationsTold.name,
        judge.operations.ended(
            f"{key[1]} of {key[0]}"
            for key, row in sorted(state.operations.items())
            if row.made_ms < latest_ms
        ),
    )
    by_id = {
        agent.identity.agent_id: agent
        for agent in world.agents
        if agent.identity.agent_id in state.agents
    }
    latest_s = world.agenda.now_s - (state.clock_ms - latest_ms) / 1000
    for agent_id, agent in by_id.items():
        assert agent_id is not None
        judge.report(DONE, _executors(agent, agent_id, state, latest_ms, latest_s))
        judge.report(
            VolumesKept.name, judge.volumes.ended(agent_id, agent.volumes, state)
        )
    for framework in world.frameworks:
        work = framework.work
        if work is not None and framework.life.is_subscribed:
            problems = judge.operations.ended(work.unheard(framework.id))
            judge.report(OperationsTold.name, problems)
    judge.report(LEDGER, _ledger(world, state))


def _executors(
    agent: SimAgent,
    agent_id: AgentId,
    state: ClusterState,
    latest_ms: int,
    latest_s: float,
) -> Iterator[str]:
    """No row without a process, no process without a row."""
    executors = agent.life.executors
    held = agent.life.machine.executors.rows
    for key in sorted(state.executors_by_agent.get(agent_id, ())):
        row = held.get((key[0], key[2]))
        name = f"executor {key[2]} of {key[0]}"
        if state.executors[key].launched_ms >= latest_ms:
            continue
        if row is None:
            ended_s = executors.ended_s.get((key[0], key[2]), 0.0)
            if ended_s < latest_s:
                yield f"{name} is in the log, and {agent.name} has none"
        elif row.report is not None:
            if executors.ended_s.get((key[0], key[2]), 0.0) < latest_s:
                yield f"{name} ended on {agent.name}, and is in the log"
        elif not row.is_default and row.run not in executors.running:
            yield f"{name} has no process on {agent.name}"
    for run in executors.running:
        if (run.framework_id, agent_id, run.executor_id) not in state.executors:
            yield f"executor {run.executor_id} runs on {agent.name} and is in no log"


def _ledger(world: World, state: ClusterState) -> list[str]:
    """What was made of agents is the sum of all operations that frameworks heard of."""
    works = [one.work for one in world.frameworks if one.work is not None]
    if not all(work.is_ledger_complete for work in works):
        return []
    unheard = {row.agent_id for row in state.operations.values()}
    problems = []
    for agent in state.agents.values():
        if agent.id in unheard:
            continue
        made: Counter[str] = Counter()
        for work in works:
            made.update(work.ledger.get(agent.id, {}))
        expected = _dynamic(made)
        if expected != dict(agent.dynamic.scalars):
            problems.append(
                f"of {agent.id} {agent.dynamic} was made; its frameworks made"
                f" {expected}"
            )
    return problems


def _dynamic(made: Mapping[str, int]) -> dict[str, int]:
    return {key: made[key] for key in made if "|" in key and made[key]}
