"""Weighted dominant resource fairness (Ghodsi et al., NSDI'11), over a tree of roles.

The free resources of one agent go, as far as it may have them, to the framework that
stands first and can take them: first the role with the smallest weighted dominant
share (``standing.py``), then in it the framework with the smallest dominant share.
Offered counts as held, so the order changes with every grant. What one leaves goes
on to the next.

If roles have guarantees that are not met (``quota.py``), all agents are visited twice:
first for these roles alone, for what is owed to them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs

from raftleader.allocator.interface import Run
from raftleader.allocator.portions import Portions, Sees
from raftleader.allocator.quota import QuotaBook
from raftleader.allocator.standing import Standing
from raftleader.allocator.takers import has_gpus, is_allocatable, is_remote
from raftleader.allocator.view import AllocationView
from raftleader.protocol.ids import AgentId
from raftleader.protocol.resources import Resources
from raftleader.state.commands import Grant

if TYPE_CHECKING:
    import random


@attrs.frozen
class DrfAllocator:
    """Weighted DRF over roles, DRF over the frameworks of a role."""

    def allocate(
        self,
        view: AllocationView,
        now_ms: int,
        rng: random.Random,
        *,
        steps_max: int | None = None,
    ) -> Run:
        """See ``Allocator``. Agents are visited in an order drawn from ``rng``, so
        that frameworks of equal standing do not always get the same machines."""
        if not view.free or not view.frameworks:
            return Run()
        agent_ids = list(view.free)
        rng.shuffle(agent_ids)
        work = _Work(view, now_ms)
        most = sys.maxsize if steps_max is None else steps_max
        later: list[AgentId] = []
        if work.quota is not None and work.quota.owed:
            # Every agent is visited twice, so it is known before where this run ends.
            asked = sum(map(len, view.frameworks.values()))
            count = max(1, most // (2 * asked))
            agent_ids, later = agent_ids[:count], agent_ids[count:]
            for agent_id in agent_ids:
                work.hand_out(agent_id, only_owed=True)
            most = sys.maxsize
        for at, agent_id in enumerate(agent_ids):
            if work.steps >= most:
                later = agent_ids[at:]
                break
            work.hand_out(agent_id)
        return Run(tuple(work.grants), tuple(later))


GRANT_STEPS = 5
"""A grant takes as long as asking about so many."""


class _Work:
    """One run, as far as it has come."""

    def __init__(self, view: AllocationView, now_ms: int) -> None:
        self.grants: list[Grant] = []
        self.steps = 0
        self.quota: QuotaBook | None = view.quota_book()
        self._view = view
        self._now_ms = now_ms
        self._has_gpus = bool(view.capacity.get("gpus"))
        self._portions: dict[AgentId, Portions] = {}
        self._standing = Standing.of(
            capacity=view.capacity,
            weights=view.weights,
            frameworks=view.frameworks,
            allocated=view.allocated,
        )

    def hand_out(self, agent_id: AgentId, *, only_owed: bool = False) -> None:
        """Grant what is free of an agent until nobody takes what is left."""
        portions = self._portions.get(agent_id)
        if portions is None:
            portions = Portions(self._view.free[agent_id])
            if only_owed:  # or it is visited once
                self._portions[agent_id] = portions
        while portions.rest:
            grant = self._first_taker(agent_id, portions, only_owed=only_owed)
            if grant is None:
                return
            self.grants.append(grant)
            self.steps += GRANT_STEPS
            self._standing.charge(grant.role, grant.framework_id, grant.resources)
            if self.quota is not None:
                self.quota.charge(grant.role, grant.resources)
            portions.take(grant.resources)

    def _first_taker(
        self, agent_id: AgentId, portions: Portions, *, only_owed: bool
    ) -> Grant | None:
        view, now_ms = self._view, self._now_ms
        agent = view.agents[agent_id]
        gpus = self._has_gpus and has_gpus(agent)
        remote = view.region is not None and is_remote(agent, view.region)
        may_be_kept = gpus or remote
        self.steps += 1
        for role in self._standing.roles():
            seen: Sees | None = None
            candidate: Resources | None = None
            usual = False
            for _, framework_id in self._standing.frameworks[role]:
                self.steps += 1
                taker = view.takers[framework_id]
                if (may_be_kept or taker.is_picky) and taker.is_never_offered(
                    role, agent, has_gpus=gpus, is_remote=remote
                ):
                    continue
                if taker.sees != seen:
                    seen = taker.sees
                    candidate = self._candidate(role, portions, seen, only_owed)
                    usual = candidate is not None and is_allocatable(candidate)
                if candidate is None:
                    continue
                if not (
                    taker.is_enough(role, candidate) if role in taker.least else usual
                ):
                    continue
                if not view.refuses(framework_id, role, agent_id, candidate, now_ms):
                    return Grant(
                        framework_id=framework_id,
                        role=role,
                        agent_id=agent_id,
                        resources=candidate,
                    )
        return None

    def _candidate(
        self, role: str, portions: Portions, sees: Sees, only_owed: bool
    ) -> Resources | None:
        portion = portions.of(role, sees)
        if self.quota is None:
            return portion
        if only_owed:
            return self.quota.owed_part(role, portion)
        return self.quota.allowed(role, portion)
