"""The operator of the cluster: quota, draining, agents that are gone, maintenance.

Each order is asked of whoever leads, once; whether it was done he does not know if the
leader is lost meanwhile. When the faults are over he puts everything right again:
no quotas, no schedule, every agent active.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from chaos.sim.fast.agenda import Agenda
from chaos.sim.fast.leader import LeaderTerm
from chaos.sim.fast.node import SimNode
from chaos.sim.fast.trace import Trace
from chaos.sim.options import Work
from raftleader.errors import RaftLeaderError
from raftleader.protocol.ids import AgentId
from raftleader.protocol.offers import Unavailability
from raftleader.protocol.operator_values import DrainState, MachineId, Quota, Window
from raftleader.state.cluster import ClusterState
from raftleader.state.operator_commands import (
    DeactivateAgent,
    DrainAgent,
    MarkAgentGone,
    OperatorCommand,
    ReactivateAgent,
    SetQuotas,
    SetSchedule,
    StartMaintenance,
    StopMaintenance,
)
from raftleader.state.outcomes import Accepted, Outcome

if TYPE_CHECKING:
    from chaos.sim.fast.agent import SimAgent

PAUSE_S = 3.0
"""Mean time between two orders."""
TIDY_S = 0.5
"""Between two looks at what is still to be put right."""
ROLES = ("web", "batch")
LIMITS_MILLIS = (500, 2_000, 4_000)
"""Of CPU, for a role."""
NANOSECONDS = 1_000_000_000


class Orders:
    """See the module."""

    def __init__(
        self,
        *,
        work: Collection[Work],
        agenda: Agenda,
        trace: Trace,
        nodes: Sequence[SimNode],
        agents: Sequence[SimAgent],
        rng: random.Random,
        counts: Counter[str],
    ) -> None:
        self._agenda = agenda
        self._trace = trace
        self._nodes = nodes
        self._agents = agents
        self._rng = rng
        self._counts = counts
        self._is_over = False
        self._kinds: list[Callable[[ClusterState], OperatorCommand | None]] = []
        for kind, makers in (
            (Work.QUOTA, (self._set_quota,)),
            (Work.DRAINING, (self._drain, self._deactivate, self._reactivate)),
            (Work.GONE, (self._declare_gone,)),
            (Work.MAINTENANCE, (self._plan, self._start, self._stop)),
        ):
            if kind in work:
                self._kinds += makers

    def begin(self) -> None:
        """Give orders from now on, if there are any to give."""
        if self._kinds:
            self._agenda.after(self._rng.expovariate(1 / PAUSE_S), self._order)

    def end(self) -> None:
        """Give none any more, and put everything right."""
        self._is_over = True
        if self._kinds:
            self._tidy()

    def unfinished(self, state: ClusterState) -> list[str]:
        """What is not right yet, in words."""
        if not self._kinds:
            return []
        found = [f"agent {one} is not active" for one in _inactive(state)]
        found += [f"role {role} has a quota" for role in state.quotas]
        return found + (["there is a schedule"] if state.windows else [])

    def _order(self) -> None:
        if self._is_over:
            return
        self._agenda.after(self._rng.expovariate(1 / PAUSE_S), self._order)
        leader = self._leader()
        if leader is not None:
            command = self._rng.choice(self._kinds)(leader.state)
            if command is not None:
                self._submit(leader, command)

    def _leader(self) -> LeaderTerm | None:
        leading = [
            node.leader
            for node in self._nodes
            if node.leader is not None and node.leader.is_active
        ]
        return self._rng.choice(leading) if leading else None

    def _submit(self, leader: LeaderTerm, command: OperatorCommand) -> None:
        kind = type(command).__name__

        def told(outcome: Outcome | RaftLeaderError, index: int) -> None:
            if isinstance(outcome, Accepted):
                self._counts[f"order: {kind}"] += 1
                self._counts["orders"] += 1
            elif not isinstance(outcome, RaftLeaderError):
                self._counts["orders refused"] += 1

        self._trace.note(f"order: {kind}")
        leader.submit(command, told)

    # --- what is ordered ------------------------------------------------------------

    def _agent(self, state: ClusterState) -> AgentId | None:
        return self._rng.choice(sorted(state.agents)) if state.agents else None

    def _set_quota(self, state: ClusterState) -> SetQuotas:
        quota = Quota()
        if self._rng.random() < 0.8:
            limit = self._rng.choice(LIMITS_MILLIS)
            guarantees = {"cpus": limit // 2} if self._rng.random() < 0.3 else {}
            quota = Quota(limits={"cpus": limit}, guarantees=guarantees)
        is_forced = self._rng.random() < 0.5
        return SetQuotas(quotas={self._rng.choice(ROLES): quota}, is_forced=is_forced)

    def _drain(self, state: ClusterState) -> DrainAgent | None:
        agent_id = self._agent(state)
        if agent_id is None:
            return None
        grace_ms = self._rng.choice((None, 0, 500))
        return DrainAgent(agent_id=agent_id, max_grace_ms=grace_ms)

    def _deactivate(self, state: ClusterState) -> DeactivateAgent | None:
        agent_id = self._agent(state)
        return None if agent_id is None else DeactivateAgent(agent_id=agent_id)

    def _reactivate(self, state: ClusterState) -> ReactivateAgent | None:
        inactive = _inactive(state)
        if not inactive:
            return None
        return ReactivateAgent(agent_id=self._rng.choice(inactive))

    def _declare_gone(self, state: ClusterState) -> OperatorCommand | None:
        agent_id = self._agent(state)
        if agent_id is None or self._rng.random() < 0.5:
            return None
        self._expect_refusals(agent_id)
        if self._rng.random() < 0.4:
            return DrainAgent(agent_id=agent_id, max_grace_ms=500, mark_gone=True)
        return MarkAgentGone(agent_id=agent_id)

    def _expect_refusals(self, agent_id: AgentId) -> None:
        for agent in self._agents:
            if agent.identity.agent_id == agent_id:
                agent.may_be_refused = True

    def _plan(self, state: ClusterState) -> SetSchedule:
        names = [machine.hostname for machine in state.down_machines]
        others = [one.name for one in self._agents if one.name not in names]
        names += self._rng.sample(others, min(len(others), self._rng.randint(0, 2)))
        if not names:
            return SetSchedule(windows=())
        start_ns = (state.clock_ms + 60_000) * 1_000_000
        unavailability = Unavailability(
            start_ns=start_ns, duration_ns=3_600 * NANOSECONDS
        )
        window = Window(
            machines=tuple(MachineId(hostname=name) for name in names),
            unavailability=unavailability,
        )
        return SetSchedule(windows=(window,))

    def _start(self, state: ClusterState) -> StartMaintenance | None:
        planned = [
            machine
            for window in state.windows
            for machine in window.machines
            if machine not in state.down_machines
        ]
        if not planned:
            return None
        machine = self._rng.choice(planned)
        for agent in self._agents:
            if agent.name == machine.hostname:
                agent.may_be_refused = True
        return StartMaintenance(machines=(machine,))

    def _stop(self, state: ClusterState) -> StopMaintenance | None:
        if not state.down_machines:
            return None
        return StopMaintenance(machines=(self._rng.choice(state.down_machines),))

    # --- putting it right -----------------------------------------------------------

    def _tidy(self) -> None:
        """One thing of each kind at a time, until nothing is left; forever, since an
        order of before may still come."""
        self._agenda.after(TIDY_S, self._tidy)
        leader = self._leader()
        if leader is None:
            return
        state = leader.state
        if state.quotas:
            quotas = {role: Quota() for role in sorted(state.quotas)}
            self._submit(leader, SetQuotas(quotas=quotas, is_forced=True))
        if state.down_machines:
            self._submit(leader, StopMaintenance(machines=state.down_machines))
        elif state.windows:
            self._submit(leader, SetSchedule(windows=()))
        present = {agent.identity.agent_id for agent in self._agents}
        for agent_id in _inactive(state):
            if agent_id not in present:  # its machine has another id by now
                self._submit(leader, MarkAgentGone(agent_id=agent_id))
                continue
            drain = state.agents[agent_id].drain
            if drain is None or drain.state is DrainState.DRAINED:
                self._submit(leader, ReactivateAgent(agent_id=agent_id))


def _inactive(state: ClusterState) -> list[AgentId]:
    return sorted(
        agent.id
        for agent in state.agents.values()
        if agent.is_deactivated or agent.drain is not None
    )
