"""Whom an injection hits, and which of them live."""

from __future__ import annotations

import random
from collections.abc import Sequence

from chaos.live.aims import hits_agents, hits_frameworks
from chaos.live.faults import Injection, Target
from chaos.live.seams import Cluster, ImpossibleError
from chaos.nemeses.targets import (
    Crowd,
    agents_hit,
    frameworks_hit,
    leaders_hit,
    see_crowd,
)


async def victims(injection: Injection, cluster: Cluster) -> tuple[str, ...]:
    """Names, drawn from the injection's seed; where one is to be hit, one that lives,
    if any does. Raises ImpossibleError if there is nobody."""
    rng = random.Random(injection.seed)
    fault, target = injection.fault, injection.target
    is_one = target in (Target.ONE, Target.AGENT, Target.FRAMEWORK)

    def of(names: Sequence[str]) -> tuple[str, ...]:
        living = tuple(name for name in names if cluster.pid(name) is not None)
        return living if is_one and living else tuple(names)

    if hits_agents(fault, target):
        return agents_hit(target, Crowd(agents=of(cluster.agents)), rng)
    if hits_frameworks(fault, target):
        return frameworks_hit(target, Crowd(frameworks=of(cluster.frameworks)), rng)
    if is_one:
        return leaders_hit(target, Crowd(leaders=of(cluster.leaders)), rng)
    return leaders_hit(target, await see_crowd(cluster, target), rng)


async def living_victims(injection: Injection, cluster: Cluster) -> dict[str, int]:
    """Process ids by name, without the dead. Raises ImpossibleError if all are."""
    names = await victims(injection, cluster)
    pids = {name: pid for name in names if (pid := cluster.pid(name)) is not None}
    if not pids:
        raise ImpossibleError(f"dead already: {', '.join(names)}")
    return pids
