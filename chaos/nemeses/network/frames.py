"""Links that work badly: packets late, lost, out of order, twice, broken, few. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from chaos.live.faults import Fault, Injection, Target
from chaos.live.seams import ImpossibleError, LinkFault
from chaos.nemeses.network.links import LinkPlan
from chaos.nemeses.targets import Crowd, hosts_hit, links_from

Draw = Callable[[random.Random, float], LinkFault]
"""Of how bad it may be at most: 1, or less where many are hit at once."""

MANY_ARE_HIT = 0.5
"""Links between all leader nodes are made half as bad as those of one: the worst that
one follower can have would leave a group without a leader for as long as it lasts."""


def _up_to(rng: random.Random, least: float, most: float, worst: float) -> float:
    return round(rng.uniform(least, least + (most - least) * worst), 4)


FRAME_FAULTS: Mapping[Fault, Draw] = {
    Fault.LOSS: lambda rng, worst: LinkFault(loss=_up_to(rng, 0.02, 0.3, worst)),
    # One way; an election timeout is 0.2 to 0.4 s.
    Fault.DELAY: lambda rng, worst: LinkFault(delay_s=_up_to(rng, 0.01, 0.15, worst)),
    Fault.JITTER: lambda rng, worst: LinkFault(jitter_s=_up_to(rng, 0.01, 0.2, worst)),
    Fault.REORDER: lambda rng, worst: LinkFault(reorder=_up_to(rng, 0.05, 0.5, worst)),
    Fault.DUPLICATE: lambda rng, worst: LinkFault(
        duplicate=_up_to(rng, 0.05, 0.5, worst)
    ),
    # Checksums find them, so this is loss that costs more.
    Fault.CORRUPTION: lambda rng, worst: LinkFault(
        corrupt=_up_to(rng, 0.01, 0.15, worst)
    ),
    # A group at rest needs some 10 kB/s on each link.
    Fault.BANDWIDTH: lambda rng, worst: LinkFault(
        bytes_per_s=round(rng.uniform(16_384, 262_144) / worst)
    ),
}


def plan_frames(injection: Injection, crowd: Crowd, rng: random.Random) -> LinkPlan:
    """All links of those that are hit, with everybody but the driver: in both
    directions, or, in one case of four, only away from them or towards them."""
    hit = hosts_hit(injection.target, crowd, rng)
    if len(crowd.hosts) < 2:
        raise ImpossibleError("there is one host: no link")
    is_many = injection.target in (Target.MAJORITY, Target.ALL)
    draw = FRAME_FAULTS[injection.fault]
    fault = draw(rng, MANY_ARE_HIT if is_many else 1.0)
    direction = rng.choice(("both", "both", "both", rng.choice(("out", "in"))))
    links = [
        *(links_from(hit, crowd.hosts) if direction != "in" else ()),
        *(links_from(crowd.hosts, hit) if direction != "out" else ()),
    ]
    return LinkPlan(
        targets=hit,
        rules=dict.fromkeys(links, fault),
        detail={"direction": direction, **_numbers(fault)},
    )


def _numbers(fault: LinkFault) -> dict[str, float]:
    names = ("loss", "delay_s", "jitter_s", "reorder", "duplicate", "corrupt")
    found = {name: getattr(fault, name) for name in names if getattr(fault, name)}
    if fault.bytes_per_s is not None:
        found["bytes_per_s"] = fault.bytes_per_s
    return found
