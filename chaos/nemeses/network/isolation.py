"""A leader node that is away for so long that it needs a snapshot.

The others go on, take snapshots, and forget the entries before them: what the node
lacks is not in their logs any more when it is back.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import Cluster, ImpossibleError, Network, World, Wound
from chaos.nemeses.network.links import (
    ANYTHING,
    CUT,
    Abilities,
    apply_whole,
    means_of,
    rule_name,
)
from chaos.nemeses.targets import leaders_hit, links_between, others, see_crowd
from raftleader.cli.local_cluster import Statuses

LOOK_TIMEOUT_S = 3.0


def snapshot_needed(statuses: Statuses, hit: str, last_index: int) -> bool | None:
    """Whether every other node that answers has forgotten an entry that ``hit``, which
    had them up to ``last_index``, lacks. None where nobody says what it keeps."""
    firsts = [
        int(status["log"]["first_index"])
        for name, status in statuses.items()
        if name != hit and status and "first_index" in status.get("log", {})
    ]
    return min(firsts) > last_index + 1 if firsts else None


@attrs.frozen(kw_only=True)
class IsolationNemesis:
    """Makes ``isolation``: one leader node sees nobody (but the driver).

    It lasts as long as the injection says. Whether that was long enough is in the
    record of its end: ``snapshot_needed``, and when that was so first.
    """

    abilities: Abilities = ANYTHING
    faults: frozenset[Fault] = frozenset({Fault.ISOLATION})

    def missing(self, fault: Fault) -> str | None:
        return self.abilities.missing(fault)

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``chaos.live.seams.Nemesis``."""
        means = means_of(world.network, injection.fault)
        crowd = await see_crowd(world.cluster, injection.target)
        hit = leaders_hit(injection.target, crowd, random.Random(injection.seed))
        if len(hit) != 1 or len(crowd.leaders) < 3:
            raise ImpossibleError("one of at least three leader nodes can be isolated")
        status = (await world.cluster.statuses()).get(hit[0])
        if status is None:
            raise ImpossibleError(f"{hit[0]} does not say how long its log is")
        name = rule_name(injection)
        rules = dict.fromkeys(links_between(hit, others(crowd.hosts, hit)), CUT)
        await apply_whole(world.network, name, rules)
        return IsolationWound(
            network=world.network,
            cluster=world.cluster,
            name=name,
            targets=hit,
            means=means,
            detail={"last_index": int(status["last_index"])},
        )


@attrs.frozen(kw_only=True)
class IsolationWound:
    """A node that is away."""

    network: Network
    cluster: Cluster
    name: str
    targets: tuple[str, ...]
    means: str
    detail: Mapping[str, Any]

    async def heal(self) -> Mapping[str, Any]:
        with trio.CancelScope(shield=True):
            try:
                return await self._look()
            finally:
                await self.network.clear(self.name)
        return {}

    async def _look(self) -> Mapping[str, Any]:
        with trio.move_on_after(LOOK_TIMEOUT_S):
            statuses = await self.cluster.statuses()
            last_index = self.detail["last_index"]
            needed = snapshot_needed(statuses, self.targets[0], last_index)
            commits = [one["commit_index"] for one in statuses.values() if one]
            return {
                "snapshot_needed": needed,
                "behind_entries": max([last_index, *commits]) - last_index,
            }
        return {"snapshot_needed": None}
