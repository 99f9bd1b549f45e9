"""Frameworks as far as it matters what they may be offered."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from raftleader.allocator.portions import Sees
from raftleader.limits import CPUS_MILLIS_MIN, MEM_MILLIS_MIN
from raftleader.protocol.constraints import OfferConstraints
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.resources import Resources, split_key
from raftleader.state.cluster import Agent, Framework
from raftleader.state.offer_constraints import ExcludesAgent, excludes

Amounts = Mapping[str, int]
"""Thousandths of each scalar, by name."""


@attrs.frozen(kw_only=True, eq=False)
class Taker:
    """What one framework wants and can handle. Made of its row, and kept with it.

    Attributes:
        least: By role, sets of amounts of which an offer must hold one; a role
            without an entry has the cluster's.
        is_picky: Whether it has constraints, which must be asked for every agent.
    """

    info: FrameworkInfo
    constraints: OfferConstraints
    sees: Sees
    least: Mapping[str, tuple[Amounts, ...]]
    is_picky: bool
    _handles_gpus: bool
    _is_region_aware: bool
    _excludes: Mapping[str, ExcludesAgent]

    @classmethod
    def of(cls, row: Framework) -> Taker:
        info = row.info
        handles_gpus = info.is_capable("GPU_RESOURCES")
        is_region_aware = info.is_capable("REGION_AWARE")
        excluding = {}
        for role in row.offer_constraints:
            test = excludes(row.offer_constraints, role)
            if test is not None:
                excluding[role] = test
        return cls(
            info=info,
            constraints=row.offer_constraints,
            sees=Sees(
                shared=info.is_capable("SHARED_RESOURCES"),
                revocable=info.is_capable("REVOCABLE_RESOURCES"),
                refined=info.is_capable("RESERVATION_REFINEMENT"),
            ),
            least=info.offer_filters,
            is_picky=bool(excluding),
            handles_gpus=handles_gpus,
            is_region_aware=is_region_aware,
            excludes=excluding,
        )

    def is_never_offered(
        self, role: str, agent: Agent, *, has_gpus: bool, is_remote: bool
    ) -> bool:
        """Whether nothing of this agent is for it, whatever is free there."""
        if has_gpus and not self._handles_gpus:
            return True
        if is_remote and not self._is_region_aware:
            return True
        excluding = self._excludes.get(role)
        return excluding is not None and excluding(agent.info)

    def is_enough(self, role: str, resources: Resources) -> bool:
        """Whether it is worth an offer for this role."""
        least = self.least.get(role)
        if least is None:
            return is_allocatable(resources)
        if not least:
            return bool(resources)
        return any(
            all(resources.total(name) >= millis for name, millis in amounts.items())
            for amounts in least
        )


@attrs.define
class Takers:
    """Every framework's taker, made again only when its row says something else."""

    _known: dict[FrameworkId, Taker] = attrs.field(factory=dict, init=False)

    def of(self, row: Framework) -> Taker:
        """The taker of a framework as it is now."""
        known = self._known.get(row.id)
        if (
            known is None
            or known.info is not row.info
            or known.constraints is not row.offer_constraints
        ):
            known = self._known[row.id] = Taker.of(row)
        return known

    def forget(self, framework_id: FrameworkId) -> None:
        """The framework is no more."""
        self._known.pop(framework_id, None)


def is_allocatable(resources: Resources) -> bool:
    """Whether it is enough for an offer: some CPU, or some memory."""
    return (
        resources.total("cpus") >= CPUS_MILLIS_MIN
        or resources.total("mem") >= MEM_MILLIS_MIN
    )


def has_gpus(agent: Agent) -> bool:
    """Whether the machine has any: then it is kept for those who handle them."""
    for key, millis in agent.info.resources.scalars.items():
        if key.startswith("gpus") and millis and split_key(key)[0] == "gpus":
            return True
    return False


def is_remote(agent: Agent, region: str | None) -> bool:
    """Whether the machine stands in another region than the leader; not if either
    does not say where it stands."""
    domain = agent.info.domain
    return region is not None and domain is not None and domain.region != region
