"""Faults that come by themselves while a test works: drawn from the seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

from chaos.live.atlas import COURSES, Shape, can_be_hit
from chaos.live.faults import Injection, Target
from chaos.live.selection import Wanted

FIRST_WITHIN_S = 1.0
"""A block that takes two seconds should see a fault."""
SHARE_BROKEN = 0.6
"""Of the time between two faults the first is in force, at most: then it recovers."""
SHORTEST_S = 0.2
JITTER = 0.2
"""Of the time between two faults."""


def draw_background(
    seed: str,
    wanted: Sequence[Wanted],
    *,
    every_s: float,
    for_s: float,
    shape: Shape,
    first_number: int,
) -> tuple[Injection, ...]:
    """About one fault in ``every_s`` seconds, for ``for_s`` seconds, at least one.

    The classes take turns, in an order that is drawn; half of the faults of a class hit
    the first of its targets. The same arguments give the same faults. Each of
    ``wanted`` must have somebody to hit.
    """
    rng = random.Random(seed)
    turns = list(wanted)
    rng.shuffle(turns)
    injections: list[Injection] = []
    at_s = rng.uniform(0.1, max(0.1, min(FIRST_WITHIN_S, every_s / 2)))
    while not injections or at_s < for_s:
        one = turns[len(injections) % len(turns)]
        targets = targets_of(one, shape)
        course = COURSES[one.fault]
        longest_s = max(SHORTEST_S, every_s * SHARE_BROKEN)
        injections.append(
            Injection(
                number=first_number + len(injections),
                fault=one.fault,
                target=targets[0] if rng.random() < 0.5 else rng.choice(targets),
                at_s=round(at_s, 2),
                for_s=round(
                    min(longest_s, rng.uniform(course.shortest_s, course.longest_s)), 2
                ),
                seed=rng.getrandbits(32),
            )
        )
        at_s += every_s * rng.uniform(1.0 - JITTER, 1.0 + JITTER)
    return tuple(injections)


def targets_of(one: Wanted, shape: Shape) -> tuple[Target, ...]:
    """Whom a class may hit in this cluster, the most wanted first."""
    return tuple(
        target for target in one.usual_targets if can_be_hit(one.fault, target, shape)
    )
