"""``clock-drift``: all clocks of a node run faster or slower than those of others."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import Cluster, World
from chaos.nemeses.clock.environment import (
    THREADS_VARIABLE,
    TRUE_TIME,
    WALL_ONLY_VARIABLE,
    offset_file,
    write_offset,
)
from chaos.nemeses.clock.wound import ClockWound, choose

RATES = ("0.5", "0.8", "0.95", "1.05", "1.25", "2.0")
"""Worse than any clock: a heartbeat comes twice as often, or half as often, as others
expect it, which is within what elections allow for."""


@attrs.frozen(kw_only=True)
class ClockDriftNemesis:
    """Each node that is hit is stopped in order and started again with another rate;
    one after the other, so a majority runs at any time. Healing does the same, back to
    the true rate.

    What holds: everything, at any number of nodes. Clocks decide how soon something
    happens, never whether it is true; elections may take longer.
    """

    why_not: str | None = None

    @property
    def faults(self) -> frozenset[Fault]:
        return frozenset({Fault.CLOCK_DRIFT})

    def missing(self, fault: Fault) -> str | None:
        return self.why_not

    async def inject(self, injection: Injection, world: World) -> ClockWound:
        """See ``Nemesis``."""
        cluster = world.cluster
        targets = await choose(injection, world)
        for target in targets:
            offset_file(cluster, target)
        rng = random.Random(f"drift {injection.seed}")
        rates = {target: rng.choice(RATES) for target in targets}
        hit: list[str] = []

        async def mend() -> Mapping[str, Any]:
            await _restart_all(cluster, dict.fromkeys(hit))
            return {}

        try:
            for target in targets:
                hit.append(target)
                await _restart_all(cluster, {target: rates[target]})
        except BaseException:
            with trio.CancelScope(shield=True):
                await mend()
            raise
        return ClockWound(targets=targets, detail={"rates": rates}, mend=mend)


UP_WITHIN_S = 10.0


async def _restart_all(cluster: Cluster, rates: Mapping[str, str | None]) -> None:
    """One after the other, with that rate, or the true one."""
    for node, rate in rates.items():
        cluster.hold(node)
        try:
            await cluster.stop(node)
            environment = cluster.node(node).environment
            if rate is None:
                environment |= {WALL_ONLY_VARIABLE: "1", THREADS_VARIABLE: "0"}
                write_offset(offset_file(cluster, node), TRUE_TIME)
            else:
                environment.pop(WALL_ONLY_VARIABLE, None)
                environment[THREADS_VARIABLE] = "1"
                write_offset(offset_file(cluster, node), f"{TRUE_TIME} x{rate}")
        finally:
            cluster.release(node)
        if node in cluster.leaders:
            await _wait_up(cluster, node)


async def _wait_up(cluster: Cluster, node: str) -> None:
    """Until it answers and somebody leads, or the time is over: another fault may be in
    force."""
    with trio.move_on_after(UP_WITHIN_S):
        while True:
            statuses = await cluster.statuses()
            if statuses.get(node) and _has_leader(statuses.values()):
                return
            await trio.sleep(0.05)


def _has_leader(statuses: Iterable[Mapping[str, Any] | None]) -> bool:
    return any(status and status.get("leading") for status in statuses)
