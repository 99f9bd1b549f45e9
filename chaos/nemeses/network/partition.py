"""Partitions: groups of hosts between which nothing passes, one way or both. Pure.

Links of the driver are never cut: whoever looks on sees everybody.
"""

from __future__ import annotations

import random

from chaos.live.faults import Fault, Injection, Target
from chaos.live.seams import ImpossibleError
from chaos.nemeses.network.links import CUT, LinkPlan, cut_sides
from chaos.nemeses.targets import (
    Crowd,
    leaders_hit,
    links_from,
    majority,
    minority,
    others,
)


def plan_partition(injection: Injection, crowd: Crowd, rng: random.Random) -> LinkPlan:
    """Those that are hit stand on one side, the other leader nodes on the other.

    Where a majority is hit each of it stands alone, so that no majority is left
    anywhere. *Leader*: it, with others as far as that is still a minority. In half
    of all cases agents and frameworks find themselves on one of the sides too; in the
    others they see everybody.
    """
    hit, sides = _sides(injection, crowd, rng)
    return LinkPlan(
        targets=hit,
        rules=cut_sides(sides),
        detail={"sides": [sorted(side) for side in sides]},
    )


def _sides(
    injection: Injection, crowd: Crowd, rng: random.Random
) -> tuple[tuple[str, ...], list[list[str]]]:
    if len(crowd.leaders) < 2:
        raise ImpossibleError("there is one leader node: no two sides")
    hit = leaders_hit(injection.target, crowd, rng)
    rest = list(others(crowd.leaders, hit))
    sides = [[name] for name in hit]
    if injection.target in (Target.ONE, Target.MINORITY, Target.LEADER):
        sides = [list(hit)]
        if injection.target is Target.LEADER:
            company = rng.randint(0, max(0, minority(len(crowd.leaders)) - 1))
            with_it = rng.sample(rest, company)
            rest = list(others(rest, with_it))
            sides[0] += sorted(with_it)
    if rest:
        sides.append(rest)
    if rng.random() < 0.5:
        for name in (*sorted(crowd.agents), *sorted(crowd.frameworks)):
            rng.choice(sides).append(name)
    return hit, sides


def plan_one_way(injection: Injection, crowd: Crowd, rng: random.Random) -> LinkPlan:
    """Those that are hit are not heard any more, or do not hear: by the other leader
    nodes, in half of all cases by agents and frameworks too. Of two that are hit the
    first is not heard by the second."""
    if len(crowd.leaders) < 2:
        raise ImpossibleError("there is one leader node: nobody to be cut from")
    hit = leaders_hit(injection.target, crowd, rng)
    far = crowd.hosts if rng.random() < 0.5 else crowd.leaders
    direction = rng.choice(("not heard", "deaf"))
    links = links_from(far, hit) if direction == "deaf" else links_from(hit, far)
    one_way = [link for link in links if not set(link) <= set(hit) or link[0] < link[1]]
    return LinkPlan(
        targets=hit,
        rules=dict.fromkeys(one_way, CUT),
        detail={"direction": direction, "from": sorted(set(far) - set(hit))},
    )


def plan_ring(injection: Injection, crowd: Crowd, rng: random.Random) -> LinkPlan:
    """Every leader node sees a majority, and no two of them the same one.

    They stand in a ring in an order that is drawn, and see so many neighbours as make
    a majority with themselves. Of three nodes everybody is a neighbour of everybody:
    one pair is cut, and the third node stands between (a bridge).
    """
    count = len(crowd.leaders)
    if count < 3:
        raise ImpossibleError(f"{count} leader nodes make no ring")
    ring = sorted(crowd.leaders)
    rng.shuffle(ring)
    reach = majority(count) // 2
    rules = {
        (one, other): CUT
        for at, one in enumerate(ring)
        for distance in range(reach + 1, count - reach)
        for other in (ring[(at + distance) % count],)
    }
    if not rules:
        ends = (ring[0], ring[-1])
        rules = {ends: CUT, (ends[1], ends[0]): CUT}
    return LinkPlan(targets=tuple(ring), rules=rules, detail={"ring": ring})


def plan_cut(injection: Injection, crowd: Crowd, rng: random.Random) -> LinkPlan:
    """Any class of faults of this file."""
    planner = {
        Fault.PARTITION: plan_partition,
        Fault.ONE_WAY: plan_one_way,
        Fault.RING: plan_ring,
    }[injection.fault]
    return planner(injection, crowd, rng)
