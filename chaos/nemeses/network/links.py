"""Faults that are a set of rules on links: put in force, and taken back.

Which links and which rules is planned by a pure function of the injection, the cluster
as it is, and the injection's own generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, Link, LinkFault, Network, World, Wound
from chaos.nemeses.targets import Crowd, see_crowd

CUT = LinkFault(is_cut=True)


@attrs.frozen(kw_only=True)
class LinkPlan:
    """What is to be done.

    Attributes:
        targets: Who is hit, for the record; their links with others are concerned.
        detail: Numbers and groups, for the record.
    """

    targets: tuple[str, ...]
    rules: Mapping[Link, LinkFault]
    detail: Mapping[str, Any]


Planner = Callable[[Injection, Crowd, random.Random], LinkPlan]


@attrs.frozen
class Abilities:
    """What the network of the run can do, as far as it was chosen already."""

    means: str = ""
    possible: Mapping[Fault, str] | None = None

    def missing(self, fault: Fault) -> str | None:
        """Why a fault cannot be made; None if it can, or nobody knows yet."""
        if self.possible is None or fault in self.possible:
            return None
        return f"{fault.value} cannot be done with --network {self.means}"


ANYTHING = Abilities()


@attrs.frozen(kw_only=True)
class LinkNemesis:
    """Makes the classes of faults that a planner plans."""

    faults: frozenset[Fault]
    planner: Planner
    abilities: Abilities = ANYTHING

    def missing(self, fault: Fault) -> str | None:
        return self.abilities.missing(fault)

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``chaos.live.seams.Nemesis``."""
        means = means_of(world.network, injection.fault)
        crowd = await see_crowd(world.cluster, injection.target)
        plan = self.planner(injection, crowd, random.Random(injection.seed))
        name = rule_name(injection)
        await apply_whole(world.network, name, plan.rules)
        return LinkWound(
            network=world.network,
            name=name,
            targets=plan.targets,
            means=means,
            detail=plan.detail,
        )


@attrs.frozen(kw_only=True)
class LinkWound:
    """A set of rules in force."""

    network: Network
    name: str
    targets: tuple[str, ...]
    means: str
    detail: Mapping[str, Any]

    async def heal(self) -> Mapping[str, Any]:
        with trio.CancelScope(shield=True):
            await self.network.clear(self.name)
        return {}


def rule_name(injection: Injection) -> str:
    """Unique in the run."""
    return f"{injection.fault.value}-{injection.number}"


def means_of(network: Network, fault: Fault) -> str:
    """With what the network makes a fault. Raises ImpossibleError if it cannot."""
    means = network.faults.get(fault)
    if means is None:
        raise ImpossibleError(
            f"{fault.value} cannot be done with --network {network.means}"
        )
    return means


async def apply_whole(
    network: Network, name: str, rules: Mapping[Link, LinkFault]
) -> None:
    """Put rules in force; if that fails or is cancelled, none of them is."""
    try:
        await network.apply(name, rules)
    except BaseException:
        with trio.CancelScope(shield=True):
            await network.clear(name)
        raise


def cut_sides(sides: Collection[Collection[str]]) -> dict[Link, LinkFault]:
    """Rules that let nothing pass between hosts of different sides."""
    return {
        (source, target): CUT
        for one in sides
        for other in sides
        if one is not other
        for source in one
        for target in other
    }
