"""Links that come and go: too fast for an election, or just slow enough for one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, Link, LinkFault, Network, World, Wound
from chaos.nemeses.background import Background
from chaos.nemeses.network.links import (
    ANYTHING,
    CUT,
    Abilities,
    apply_whole,
    means_of,
    rule_name,
)
from chaos.nemeses.targets import leaders_hit, others, see_crowd

STEP_S = (0.05, 1.2)
"""Between two changes: from a heartbeat to several elections."""

Pair = tuple[str, str]


def flaps(pairs: Sequence[Pair], way: str, rng: random.Random) -> Iterator[set[Pair]]:
    """Which pairs are cut, step by step, for ever; beginning with some. Pure.

    ``together``: all, none, all, ... ``swizzle``: one more with each step until all
    are cut, then one less, in another order.
    """
    while True:
        if way == "together":
            yield set(pairs)
            yield set()
            continue
        cut: set[Pair] = set()
        for pair in rng.sample(pairs, len(pairs)):
            cut.add(pair)
            yield set(cut)
        for pair in rng.sample(pairs, len(pairs)):
            cut.remove(pair)
            yield set(cut)


def rules_of(pairs: set[Pair]) -> dict[Link, LinkFault]:
    """Nothing passes between these, either way."""
    links = [link for one, other in pairs for link in ((one, other), (other, one))]
    return dict.fromkeys(sorted(links), CUT)


@attrs.frozen(kw_only=True)
class FlappingNemesis:
    """Makes ``flapping``: of one leader node, or some, with the others."""

    abilities: Abilities = ANYTHING
    faults: frozenset[Fault] = frozenset({Fault.FLAPPING})

    def missing(self, fault: Fault) -> str | None:
        return self.abilities.missing(fault)

    async def inject(self, injection: Injection, world: World) -> Wound:
        """The first cut is in force when this returns."""
        means = means_of(world.network, injection.fault)
        crowd = await see_crowd(world.cluster, injection.target)
        rng = random.Random(injection.seed)
        hit = leaders_hit(injection.target, crowd, rng)
        pairs = [(one, far) for one in hit for far in others(crowd.leaders, hit)]
        if not pairs:
            raise ImpossibleError("there is no other leader node to be cut from")
        way = rng.choice(("together", "swizzle"))
        wound = FlappingWound(
            network=world.network,
            name=rule_name(injection),
            steps=flaps(pairs, way, rng),
            rng=rng,
            targets=hit,
            means=means,
            detail={"way": way, "from": sorted({far for _, far in pairs})},
        )
        await wound.begin()
        return wound


@attrs.define(kw_only=True)
class FlappingWound:
    """Links that are coming and going."""

    network: Network
    name: str
    steps: Iterator[set[Pair]]
    rng: random.Random
    targets: tuple[str, ...]
    means: str
    detail: Mapping[str, Any]
    changes: int = 0
    _task: Background | None = None

    async def begin(self) -> None:
        await self._step()
        self._task = Background.start(self._flap)

    async def heal(self) -> Mapping[str, Any]:
        with trio.CancelScope(shield=True):
            try:
                if self._task is not None:
                    await self._task.stop()
            finally:
                await self.network.clear(self.name)
        return {"changes": self.changes}

    async def _flap(self) -> None:
        while True:
            await trio.sleep(self.rng.uniform(*STEP_S))
            await self._step()

    async def _step(self) -> None:
        await apply_whole(self.network, self.name, rules_of(next(self.steps)))
        self.changes += 1
