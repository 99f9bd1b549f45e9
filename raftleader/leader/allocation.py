"""When the allocator runs, and what becomes of its grants.

A change (an agent has other free resources, comes or goes; a framework opens its
stream or revives) causes a run over the agents that changed, or over all. Besides,
every ALLOCATION_INTERVAL_S those agents are looked at on which a filter has ended,
and some of all others: all of them within SWEEP_RUNS intervals, or in each if there
are quotas, which bind what happens on one agent to all others.

A run takes as many steps as the loop can be held up for; what it did not come to is
looked at in the next one, directly after it. One run's grants are in flight at a
time: the allocator looks at the state, which does not know of grants that are not
applied yet, and would grant the same again.

Short filters are noted when DECLINE or ACCEPT is *submitted*, not when it is
applied: until then the resources are held by the offer, so the filter hides
nothing, and from then on it is in place before the next run can come.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from itertools import islice

import trio

from raftleader import limits
from raftleader.allocator.filters import ShortFilters
from raftleader.allocator.interface import Allocator
from raftleader.allocator.quota import QuotaAccounts
from raftleader.allocator.takers import Takers
from raftleader.allocator.view import build_view
from raftleader.errors import RaftLeaderError
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.figures import Figures, Watch
from raftleader.leader.submitting import Submit
from raftleader.leader.tickets import Settled
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.offers import Launch, LaunchGroup
from raftleader.state.cluster import ClusterState, OutstandingOffer
from raftleader.state.commands import (
    AcceptOffers,
    Command,
    DeclineOffers,
    Grant,
    GrantOffers,
    ReviveRoles,
    SetWeights,
    SubscribeFramework,
    UpdateFramework,
)
from raftleader.state.offered import joined
from raftleader.state.operator_commands import SetQuotas
from raftleader.state.outcomes import Outcome, Touched

GRANTS_PER_COMMAND_MAX = 2_000
"""Grants of one command: some 300 KB, and applied in under 50 ms."""
CANDIDATES_MAX = 1_000
"""Agents that one run is about: some 10 ms if all of them are granted."""
STEPS_MAX = 10_000
"""Pairs of an agent and a framework that one run asks about: a run must stay
short beside heartbeats (20,000 took over 100 ms on a loaded machine)."""
SWEEP_RUNS = 30
"""Intervals in which every agent is looked at without any reason."""
RETRY_S = 0.1
"""After grants that could not be proposed."""
PRUNE_INTERVAL_S = 60.0
"""Between two sweeps over filters that have ended."""
_REFUSE_DURABLE_MS = round(limits.REFUSE_DURABLE_S * 1000)
_WIDENING = (ReviveRoles, UpdateFramework, SetQuotas, SetWeights)
"""Commands after which much may be offered that could not be before."""


class Allocation:
    """Runs the allocator for as long as the term lasts."""

    def __init__(
        self,
        state: ClusterState,
        *,
        allocator: Allocator,
        clock: ClusterClock,
        rng: random.Random,
        submit: Submit,
        connected_agents: Callable[[], Collection[AgentId]],
        streaming_frameworks: Callable[[], Collection[FrameworkId]],
        region: str | None = None,
        offer_timeout_s: float = limits.OFFER_TIMEOUT_S,
        interval_s: float = limits.ALLOCATION_INTERVAL_S,
        spacing_s: float = limits.ALLOCATION_SPACING_S,
        counts: Counter[str] | None = None,
        figures: Figures | None = None,
    ) -> None:
        """``region`` is where this node stands, if it says so."""
        self._state = state
        self._region = region
        self._takers = Takers()
        self._accounts = QuotaAccounts()
        self._infos: dict[AgentId, AgentInfo] = {}
        self._sweep: list[AgentId] = []
        self._durable_ended_ms = 0
        self._allocator = allocator
        self._clock = clock
        self._rng = rng
        self._submit = submit
        self._connected_agents = connected_agents
        self._streaming_frameworks = streaming_frameworks
        self._offer_timeout_ms = round(offer_timeout_s * 1000)
        self._interval_s = interval_s
        self._spacing_s = spacing_s
        self._counts: Counter[str] = counts if counts is not None else Counter()
        figures = figures or Figures()
        self._run_times = figures.allocation
        self._wanted = Watch(figures.allocation_latency)
        self._filters = ShortFilters()
        self._pruned_s = trio.current_time()
        # Agents to be looked at; rows that changed since the last run.
        self._pending: dict[AgentId, None] = {}
        self._touched: dict[AgentId, None] = {}
        self._swept_s = trio.current_time()
        self._all_changed = True
        self._changed = trio.Event()

    def look_at_all(self) -> None:
        """Something may be offered now that could not be before."""
        self._all_changed = True
        self._changed.set()
        self._wanted.want()

    def on_applied(self, touched: Touched) -> None:
        """Agents may have other free resources. On the hot path."""
        if touched.agents:
            agents = dict.fromkeys(touched.agents)
            self._pending.update(agents)
            self._touched.update(agents)
            self._changed.set()
            self._wanted.want()
        for framework_id in touched.frameworks:
            if framework_id not in self._state.frameworks:
                self._filters.clear_framework(framework_id)
                self._takers.forget(framework_id)

    def on_submitted(self, command: Command) -> None:
        """Note what a framework refuses or wants anew. On the hot path."""
        if isinstance(command, AcceptOffers):
            self._refuse_rest(command)
        elif isinstance(command, DeclineOffers):
            self._refuse(command)
        elif isinstance(command, ReviveRoles):
            self._filters.clear_framework(command.framework_id, command.roles)
        elif isinstance(command, SubscribeFramework) and command.framework_id:
            self._filters.clear_framework(command.framework_id)
        elif isinstance(command, UpdateFramework):
            self._forget_resumed(command)

    def told_of(self, command: Command) -> Settled | None:
        """What must hear how this command ended, or None."""
        if not isinstance(command, _WIDENING):
            return None

        def told(result: Outcome | RaftLeaderError) -> None:
            self.look_at_all()

        return told

    def waiting(self) -> int:
        """Agents that are to be looked at."""
        return len(self._pending)

    def filters_by_role(self) -> dict[str, int]:
        """Short filters that are kept, by role. Looks at all of them."""
        return self._filters.count_by_role(self._clock.now_ms())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with trio.move_on_after(self._interval_s):
                await self._changed.wait()
            if trio.current_time() - self._swept_s >= self._interval_s:
                self._swept_s = trio.current_time()
                self._sweep_some()
            self._changed = trio.Event()
            await self._allocate()
            await trio.sleep(self._spacing_s)

    async def _allocate(self) -> None:
        if trio.current_time() - self._pruned_s >= PRUNE_INTERVAL_S:
            self._pruned_s = trio.current_time()
            self._filters.prune(self._clock.now_ms())
        grants = self._decide()
        if not grants:
            return
        try:
            tickets = [
                self._submit(
                    GrantOffers(
                        grants=grants[first : first + GRANTS_PER_COMMAND_MAX],
                        offer_timeout_ms=self._offer_timeout_ms,
                    )
                )
                for first in range(0, len(grants), GRANTS_PER_COMMAND_MAX)
            ]
            for ticket in tickets:
                await ticket.wait()
        except RaftLeaderError:
            # Granted or not, the state will tell, and what no longer fits is left
            # out by ``apply``. The agents of this run are looked at again.
            self.look_at_all()
            await trio.sleep(RETRY_S)
        else:
            self._counts["offers_granted"] += len(grants)

    def _decide(self) -> tuple[Grant, ...]:
        began_s = trio.current_time()
        self._wanted.begin()
        connected = self._connected_agents()
        touched, self._touched = self._touched, {}
        for agent_id in touched:
            self._look_at_agent(agent_id)
        if self._state.quotas:
            everything = None if self._all_changed else touched
            self._accounts.refresh(self._state, connected, everything)
        else:
            self._accounts.clear()
        candidates = self._next_candidates(connected)
        self._counts["allocator_runs"] += 1
        view = build_view(
            self._state,
            connected_agents=connected,
            streaming_frameworks=self._streaming_frameworks(),
            short_filters=self._filters,
            candidates=candidates,
            region=self._region,
            takers=self._takers,
            accounts=self._accounts,
        )
        run = self._allocator.allocate(
            view, self._clock.now_ms(), self._rng, steps_max=STEPS_MAX
        )
        self._pending.update(dict.fromkeys(run.unvisited))
        if self._pending:
            self._changed.set()
            self._wanted.want()
        self._run_times.add(trio.current_time() - began_s)
        return run.grants

    def _next_candidates(self, connected: Collection[AgentId]) -> list[AgentId]:
        if self._all_changed:
            self._all_changed = False
            agent_ids = list(connected)
            self._rng.shuffle(agent_ids)  # so that no machine is always the last
            self._pending = dict.fromkeys(agent_ids)
        chosen = list(islice(self._pending, CANDIDATES_MAX))
        for agent_id in chosen:
            del self._pending[agent_id]
        return chosen

    def _sweep_some(self) -> None:
        """An interval is over: what may be offered just because time has passed?"""
        if self._state.quotas:
            self._all_changed = True
            return
        now_ms = self._clock.now_ms()
        self._pending.update(self._filters.take_ended(now_ms))
        for framework in self._state.frameworks.values():
            for durable in framework.filters:
                if self._durable_ended_ms < durable.until_ms <= now_ms:
                    self._pending[durable.agent_id] = None
        self._durable_ended_ms = now_ms
        if not self._sweep:
            self._sweep = sorted(self._connected_agents(), reverse=True)
        for _ in range(len(self._connected_agents()) // SWEEP_RUNS + 1):
            if self._sweep:
                self._pending[self._sweep.pop()] = None

    def _look_at_agent(self, agent_id: AgentId) -> None:
        """Forget filters on a machine that is not what it was, as the log does."""
        agent = self._state.agents.get(agent_id)
        if agent is None:
            if self._infos.pop(agent_id, None) is not None:
                self._filters.clear_agent(agent_id)
            return
        known, now = self._infos.get(agent_id), agent.info
        if known is now:
            return
        self._infos[agent_id] = now
        if known is not None and (
            (known.attributes, known.domain) != (now.attributes, now.domain)
        ):
            self._filters.clear_agent(agent_id)

    def _forget_resumed(self, command: UpdateFramework) -> None:
        """A role that is suppressed no longer is as good as revived."""
        row = self._state.frameworks.get(command.framework_id)
        if row is None:
            return
        resumed = set(row.suppressed_roles) - set(command.suppressed_roles)
        if resumed:
            self._filters.clear_framework(row.id, tuple(sorted(resumed)))

    def _refuse(self, command: DeclineOffers | AcceptOffers) -> None:
        if 0 < command.refuse_ms <= _REFUSE_DURABLE_MS:
            until_ms = self._clock.now_ms() + command.refuse_ms
            for offer in self._owned(command.framework_id, command.offer_ids):
                self._filters.add(
                    offer.framework_id,
                    offer.role,
                    offer.agent_id,
                    offer.resources,
                    until_ms,
                )

    def _refuse_rest(self, command: AcceptOffers) -> None:
        """What is left of the offers if all tasks are launched. If not, more is
        left, and it is offered again: a filter hides only what is within it. What
        other operations take is counted as left: it is no longer there to hide."""
        if not command.operations:
            self._refuse(command)
            return
        if not 0 < command.refuse_ms <= _REFUSE_DURABLE_MS:
            return
        offers = self._owned(command.framework_id, command.offer_ids)
        if not offers or len({(offer.agent_id, offer.role) for offer in offers}) > 1:
            return
        first = offers[0]
        rest = joined(offer.resources for offer in offers)
        for operation in command.operations:
            if not isinstance(operation, Launch | LaunchGroup):
                continue
            for task in operation.tasks:
                left = rest.without(task.resources.exclusive())
                rest = rest if left is None else left
        if rest:
            until_ms = self._clock.now_ms() + command.refuse_ms
            self._filters.add(
                first.framework_id, first.role, first.agent_id, rest, until_ms
            )

    def _owned(
        self, framework_id: FrameworkId, offer_ids: tuple[OfferId, ...]
    ) -> list[OutstandingOffer]:
        found = (
            self._state.offers.get(offer_id) for offer_id in dict.fromkeys(offer_ids)
        )
        return [o for o in found if o is not None and o.framework_id == framework_id]
