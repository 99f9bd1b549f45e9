"""Connections that end: with a word to both sides (reset), or to one (half-open)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, Link, Network, World, Wound
from chaos.nemeses.background import Background
from chaos.nemeses.network.links import (
    ANYTHING,
    CUT,
    Abilities,
    apply_whole,
    means_of,
    rule_name,
)
from chaos.nemeses.targets import Crowd, hosts_hit, links_from, others, see_crowd

STORM_PROBABILITY = 0.5
STORM_S = (0.2, 1.5)
"""Between two resets of a storm: some connections are not through their handshake."""


def plan_ends(
    injection: Injection, crowd: Crowd, rng: random.Random
) -> tuple[tuple[str, ...], str, list[Link]]:
    """Who is hit, at whose side connections end (``own`` or ``far``), and which. Pure.

    Those of the hit hosts with everybody but the driver.
    """
    hit = hosts_hit(injection.target, crowd, rng)
    far = others(crowd.hosts, hit) or hit
    if len(crowd.hosts) < 2:
        raise ImpossibleError("there is one host: no connection")
    side = rng.choice(("own", "far"))
    links = links_from(hit, far) if side == "own" else links_from(far, hit)
    return hit, side, list(links)


@attrs.frozen(kw_only=True)
class ResetNemesis:
    """Makes ``reset``: once, or, if it is long enough for that, again and again for
    as long as it lasts (a storm)."""

    abilities: Abilities = ANYTHING
    faults: frozenset[Fault] = frozenset({Fault.RESET})

    def missing(self, fault: Fault) -> str | None:
        return self.abilities.missing(fault)

    async def inject(self, injection: Injection, world: World) -> Wound:
        """The first reset is done when this returns."""
        means = means_of(world.network, injection.fault)
        crowd = await see_crowd(world.cluster, injection.target)
        rng = random.Random(injection.seed)
        hit, side, links = plan_ends(injection, crowd, rng)
        is_long = injection.for_s >= STORM_S[1]
        is_storm = is_long and rng.random() < STORM_PROBABILITY
        count = await world.network.reset(links)
        wound = ResetWound(
            network=world.network,
            links=links,
            rng=rng,
            targets=hit,
            means=means,
            detail={"side": side, "storm": is_storm, "connections": count},
        )
        wound.connections = count
        if is_storm:
            wound.begin()
        return wound


@attrs.define(kw_only=True)
class ResetWound:
    """Connections that were reset, and perhaps are reset again."""

    network: Network
    links: list[Link]
    rng: random.Random
    targets: tuple[str, ...]
    means: str
    detail: Mapping[str, Any]
    connections: int = 0
    resets: int = 1
    _task: Background | None = None

    def begin(self) -> None:
        """The storm."""
        self._task = Background.start(self._storm)

    async def heal(self) -> Mapping[str, Any]:
        if self._task is not None:
            await self._task.stop()
        return {"resets": self.resets, "connections": self.connections}

    async def _storm(self) -> None:
        while True:
            await trio.sleep(self.rng.uniform(*STORM_S))
            self.connections += await self.network.reset(self.links)
            self.resets += 1


@attrs.frozen(kw_only=True)
class HalfOpenNemesis:
    """Makes ``half-open``: connections end at one side, and the other is not told.

    The links are cut while it happens, so that nothing is heard of it, and whole again
    at once: the side that was not told learns it when it next says something, as from
    a machine that was started anew; a side that only listens is never told.
    """

    abilities: Abilities = ANYTHING
    faults: frozenset[Fault] = frozenset({Fault.HALF_OPEN})

    def missing(self, fault: Fault) -> str | None:
        return self.abilities.missing(fault)

    async def inject(self, injection: Injection, world: World) -> Wound:
        """All is done when this returns."""
        network = world.network
        means = means_of(network, injection.fault)
        crowd = await see_crowd(world.cluster, injection.target)
        hit, side, links = plan_ends(injection, crowd, random.Random(injection.seed))
        name = rule_name(injection)
        both = {link: CUT for pair in links for link in (pair, pair[::-1])}
        try:
            await apply_whole(network, name, both)
            count = await network.reset(links)
        finally:
            with trio.CancelScope(shield=True):
                await network.clear(name)
        detail = {"side": side, "connections": count}
        return DoneWound(targets=hit, means=means, detail=detail)


@attrs.frozen(kw_only=True)
class DoneWound:
    """What was over at once; the programs put it right themselves."""

    targets: tuple[str, ...]
    means: str
    detail: Mapping[str, Any]

    async def heal(self) -> Mapping[str, Any]:
        return {}
