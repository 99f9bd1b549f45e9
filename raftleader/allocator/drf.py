"""Weighted dominant resource fairness (Ghodsi et al., NSDI'11), in two levels.

The free resources of one agent go, as a whole, to the framework that stands first
and can take them: first the role with the smallest weighted dominant share, then
in it the framework with the smallest dominant share. Offered counts as held, so the
order changes with every grant.

Shares are compared exactly. A share is held/capacity, divided by the weight; all
are brought to one denominator (the product of a common multiple of all capacities
and one of all weights), and only numerators, which are integers, are kept.
"""

from __future__ import annotations

from bisect import insort
from math import lcm
from typing import TYPE_CHECKING

import attrs

from raftleader.allocator.view import (
    WEIGHT_MILLIS_DEFAULT,
    AllocationView,
    Amounts,
    is_allocatable,
)
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.resources import Resources, split_key
from raftleader.state.commands import Grant

if TYPE_CHECKING:
    import random


@attrs.frozen
class DrfAllocator:
    """Weighted DRF over roles, DRF over the frameworks of a role."""

    def allocate(
        self, view: AllocationView, now_ms: int, rng: random.Random
    ) -> tuple[Grant, ...]:
        """See ``Allocator``. Agents are visited in an order drawn from ``rng``, so
        that frameworks of equal standing do not always get the same machines."""
        if not view.free or not view.frameworks:
            return ()
        standing = _Standing.of(view)
        agent_ids = list(view.free)
        rng.shuffle(agent_ids)
        grants: list[Grant] = []
        for agent_id in agent_ids:
            rest = view.free[agent_id]
            while rest:
                grant = _first_taker(view, standing, agent_id, rest, now_ms)
                if grant is None:
                    break
                grants.append(grant)
                standing.charge(grant)
                rest -= grant.resources
        return tuple(grants)


def _first_taker(
    view: AllocationView,
    standing: _Standing,
    agent_id: AgentId,
    rest: Resources,
    now_ms: int,
) -> Grant | None:
    has_reserved = any(
        "(" in key for part in (rest.scalars, rest.ranges, rest.sets) for key in part
    )
    for _, role in standing.roles:
        candidate = rest.for_role(role) if has_reserved else rest
        if not is_allocatable(candidate):
            continue
        for _, framework_id in standing.frameworks[role]:
            if not view.refuses(framework_id, role, agent_id, candidate, now_ms):
                return Grant(
                    framework_id=framework_id,
                    role=role,
                    agent_id=agent_id,
                    resources=candidate,
                )
    return None


@attrs.define(kw_only=True)
class _Standing:
    """Who stands where: ascending lists of (share, name), kept in order.

    A share is an integer; ``factors`` turn an amount into one.
    """

    factors: dict[str, int]
    weight_factors: dict[str, int]
    role_held: dict[str, dict[str, int]]
    held: dict[tuple[str, FrameworkId], dict[str, int]]
    roles: list[tuple[int, str]]
    frameworks: dict[str, list[tuple[int, FrameworkId]]]

    @classmethod
    def of(cls, view: AllocationView) -> _Standing:
        capacity = {name: total for name, total in view.capacity.items() if total > 0}
        common = lcm(*capacity.values())
        factors = {name: common // total for name, total in capacity.items()}
        weights = {
            role: view.weights.get(role, WEIGHT_MILLIS_DEFAULT)
            for role in view.frameworks
        }
        common_weight = lcm(*weights.values())
        weight_factors = {role: common_weight // w for role, w in weights.items()}

        held: dict[tuple[str, FrameworkId], dict[str, int]] = {}
        role_held: dict[str, dict[str, int]] = {}
        frameworks: dict[str, list[tuple[int, FrameworkId]]] = {}
        for role, ids in view.frameworks.items():
            by_framework = view.allocated.get(role, {})
            sums: dict[str, int] = {}
            for amounts in by_framework.values():
                for name, millis in amounts.items():
                    sums[name] = sums.get(name, 0) + millis
            role_held[role] = sums
            order = []
            for framework_id in ids:
                own = dict(by_framework.get(framework_id, {}))
                held[role, framework_id] = own
                order.append((_share(own, factors), framework_id))
            frameworks[role] = sorted(order)
        roles = sorted(
            (_share(role_held[role], factors) * weight_factors[role], role)
            for role in view.frameworks
        )
        return cls(
            factors=factors,
            weight_factors=weight_factors,
            role_held=role_held,
            held=held,
            roles=roles,
            frameworks=frameworks,
        )

    def charge(self, grant: Grant) -> None:
        """Count a grant, and move its role and framework back in their lists."""
        role, framework_id = grant.role, grant.framework_id
        weight = self.weight_factors[role]
        role_held, own = self.role_held[role], self.held[role, framework_id]
        self.roles.remove((_share(role_held, self.factors) * weight, role))
        self.frameworks[role].remove((_share(own, self.factors), framework_id))
        for key, millis in grant.resources.scalars.items():
            name = split_key(key)[0]
            role_held[name] = role_held.get(name, 0) + millis
            own[name] = own.get(name, 0) + millis
        insort(self.roles, (_share(role_held, self.factors) * weight, role))
        insort(self.frameworks[role], (_share(own, self.factors), framework_id))


def _share(held: Amounts, factors: dict[str, int]) -> int:
    """The dominant share, as a numerator over the common denominator."""
    return max((held[n] * factors[n] for n in held if n in factors), default=0)
