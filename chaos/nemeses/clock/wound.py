"""What both nemeses of clocks have in common."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from chaos.live.faults import Injection
from chaos.live.seams import World
from chaos.nemeses.targets import hosts_hit, see_crowd

MEANS = "libfaketime"


@attrs.define(kw_only=True)
class ClockWound:
    """See ``chaos.live.seams.Wound``; ``mend`` does what ``heal`` promises."""

    targets: tuple[str, ...]
    detail: Mapping[str, Any]
    mend: Callable[[], Awaitable[Mapping[str, Any]]]
    means: str = MEANS

    async def heal(self) -> Mapping[str, Any]:
        return await self.mend()


async def choose(injection: Injection, world: World) -> tuple[str, ...]:
    """Leader nodes, or agents. Raises ImpossibleError."""
    crowd = await see_crowd(world.cluster, injection.target)
    return hosts_hit(injection.target, crowd, random.Random(injection.seed))
