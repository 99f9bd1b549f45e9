"""Little processor time, or little memory, for processes that are running."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, World, Wound
from chaos.machine.capabilities import Ability, Machine
from chaos.nemeses.process.cgroups import (
    Group,
    Hierarchy,
    cgroup_prefix,
    find_hierarchy,
)
from chaos.nemeses.process.victims import living_victims
from chaos.nemeses.wounds import HealedBy

CPU_SHARES = (0.02, 0.1)
"""Of one processor, least and most: with the most a leader node is late all the time,
with the least it misses its heartbeats."""
MEMORY_BYTES = (256 << 10, 2 << 20)
"""Beyond what the process has already. The least is used up by reading and writing
files alone."""
_CONTROLLERS = {Fault.CPU_SQUEEZE: "cpu", Fault.MEMORY_SQUEEZE: "memory"}
_ABILITIES = {
    Fault.CPU_SQUEEZE: Ability.CGROUP_CPU,
    Fault.MEMORY_SQUEEZE: Ability.CGROUP_MEMORY,
}


@attrs.frozen
class Squeezing:
    """``cpu-squeeze`` and ``memory-squeeze``: each victim is put into a control group
    of its own for the time. Of memory it may die, as the kernel decides; it is then
    started again, outside of the group. How much it suffered is in the detail of the
    healing."""

    machine: Machine
    faults: frozenset[Fault] = frozenset(_CONTROLLERS)

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        controller = _CONTROLLERS[fault]
        if find_hierarchy(controller) is not None:
            return None
        why = self.machine.missing(_ABILITIES[fault])
        return why or f"no control group with {controller} can be made"

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        controller = _CONTROLLERS[injection.fault]
        hierarchy = find_hierarchy(controller)
        if hierarchy is None:
            raise ImpossibleError(f"no control group with {controller} can be made")
        pids = await living_victims(injection, world.cluster)
        rng = random.Random(f"squeeze {injection.seed}")
        share = round(rng.uniform(*CPU_SHARES), 3)
        limit_bytes = rng.randint(*MEMORY_BYTES)
        prefix = f"{cgroup_prefix(world.folder)}{controller}-{injection.number}"
        groups: dict[str, Group] = {}
        try:
            for name, pid in pids.items():
                group = Group.make(hierarchy, f"{prefix}-{name}")
                groups[name] = group
                if injection.fault is Fault.CPU_SQUEEZE:
                    group.limit_cpu(share)
                else:
                    group.limit_memory(limit_bytes)
                group.take(pid)
        except ImpossibleError:
            await _remove(groups)
            raise

        async def heal() -> Mapping[str, Any]:
            suffered = {name: _suffered(one) for name, one in groups.items()}
            await _remove(groups)
            return {"suffered": suffered}

        is_cpu = injection.fault is Fault.CPU_SQUEEZE
        return HealedBy(
            targets=tuple(pids),
            means=_means(hierarchy),
            detail={"cpus": share} if is_cpu else {"bytes": limit_bytes},
            healing=heal,
        )


def _means(hierarchy: Hierarchy) -> str:
    return f"cgroup v{hierarchy.version} {hierarchy.controller}"


def _suffered(group: Group) -> dict[str, int | None]:
    if group.hierarchy.controller == "cpu":
        return {"periods_throttled": group.times_throttled()}
    return {"peak_bytes": group.peak_bytes(), "oom_kills": group.kills()}


async def _remove(groups: Mapping[str, Group]) -> None:
    with trio.CancelScope(shield=True):
        for group in groups.values():
            await group.remove()
