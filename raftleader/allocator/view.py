"""What an allocator sees: free resources, and who may be offered them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

from raftleader.allocator.filters import ShortFilters
from raftleader.allocator.quota import QuotaAccounts, QuotaBook
from raftleader.allocator.takers import Amounts, Taker, Takers, is_allocatable
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import Resources
from raftleader.state.cluster import Agent, ClusterState, DurableFilter, Framework


@attrs.define(kw_only=True)
class AllocationView:
    """The state as one allocator run sees it. Read only; for one run.

    Attributes:
        capacity: Of all reachable agents, connected or not.
        weights: Of roles, in thousandths.
        free: What each agent of this run may be asked for, in the order of ids.
            Agents with too little for any offer are left out.
        agents: All agents.
        frameworks: Those that can be offered something, by role, in the order of
            ids.
        takers: What each of them wants and can handle.
        allocated: What each framework holds for each role, used or offered; also
            frameworks that cannot be offered anything now.
        region: Where the leader stands, if it says so.
    """

    capacity: Amounts
    weights: Mapping[str, int]
    free: dict[AgentId, Resources]
    agents: Mapping[AgentId, Agent]
    frameworks: dict[str, tuple[FrameworkId, ...]]
    takers: Mapping[FrameworkId, Taker]
    allocated: Mapping[str, Mapping[FrameworkId, Amounts]]
    region: str | None
    _quotas: Mapping[str, Quota]
    _accounts: QuotaAccounts
    _rows: Mapping[FrameworkId, Framework]
    _short: ShortFilters
    _durable: dict[FrameworkId, dict[tuple[str, AgentId], list[DurableFilter]]] = (
        attrs.field(factory=dict, init=False)
    )

    def quota_book(self) -> QuotaBook | None:
        """What quotas allow at the begin of a run; None if no role has one."""
        if not self._quotas:
            return None
        return QuotaBook.of(self._quotas, self.allocated, self._accounts)

    def refuses(
        self,
        framework_id: FrameworkId,
        role: str,
        agent_id: AgentId,
        candidate: Resources,
        now_ms: int,
    ) -> bool:
        """Whether a filter of the framework hides ``candidate``."""
        if self._short.refuses(framework_id, role, agent_id, candidate, now_ms):
            return True
        row = self._rows[framework_id]
        if not row.filters:
            return False
        table = self._durable.get(framework_id)
        if table is None:
            table = self._durable[framework_id] = {}
            for durable in row.filters:
                table.setdefault((durable.role, durable.agent_id), []).append(durable)
        return any(
            kept.until_ms > now_ms and kept.resources.contains(candidate)
            for kept in table.get((role, agent_id), ())
        )


def build_view(
    state: ClusterState,
    *,
    connected_agents: Collection[AgentId],
    streaming_frameworks: Collection[FrameworkId],
    short_filters: ShortFilters,
    candidates: Collection[AgentId] | None = None,
    region: str | None = None,
    takers: Takers | None = None,
    accounts: QuotaAccounts | None = None,
) -> AllocationView:
    """Look at the state through the leader's eyes.

    ``connected_agents`` have a session with this leader: an offer on another agent
    could not be honoured now. ``streaming_frameworks`` have an open stream here.
    ``candidates`` limits the run to agents that changed; None is all of them.
    ``takers`` and ``accounts`` are what the leader keeps from run to run; without,
    they are made here. ``accounts`` must be up to date if there are quotas.

    Holds on to the state's own tables: use it before the next entry is applied.
    """
    takers = Takers() if takers is None else takers
    frameworks: dict[str, list[FrameworkId]] = {}
    known: dict[FrameworkId, Taker] = {}
    for framework_id in sorted(streaming_frameworks):
        framework = state.frameworks.get(framework_id)
        if framework is None or not framework.connected:
            continue
        for role in framework.info.roles:
            if role not in framework.suppressed_roles:
                frameworks.setdefault(role, []).append(framework_id)
                known[framework_id] = takers.of(framework)
    takes_crumbs = any(taker.least for taker in known.values())

    chosen = connected_agents if candidates is None else candidates
    free: dict[AgentId, Resources] = {}
    for agent_id in sorted(chosen):
        agent = state.agents.get(agent_id)
        if agent is None or (
            candidates is not None and agent_id not in connected_agents
        ):
            continue
        rest = agent.free
        if is_allocatable(rest) or (takes_crumbs and rest):
            free[agent_id] = rest
    if accounts is None:
        accounts = QuotaAccounts()
        if state.quotas:
            accounts.refresh(state, connected_agents, None)
    return AllocationView(
        capacity=state.capacity,
        weights=state.weights,
        free=free,
        agents=state.agents,
        frameworks={role: tuple(ids) for role, ids in sorted(frameworks.items())},
        takers=known,
        allocated=state.allocated,
        region=region,
        quotas=state.quotas,
        accounts=accounts,
        rows=state.frameworks,
        short=short_filters,
    )
