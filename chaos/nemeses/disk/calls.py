"""``failed-sync`` and ``slow-sync``: fdatasync says no, or takes its time."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import trio

from chaos.disks.errors import DiskError
from chaos.disks.live_disks import NodeDisk
from chaos.disks.means import DiskMeans
from chaos.disks.shim import Call
from chaos.disks.tracer import trace_syncs
from chaos.disks.waiting import wait_until
from chaos.live.faults import Fault, Injection, Target
from chaos.live.seams import Cluster, World
from chaos.nemeses.disk.harm import Harm
from chaos.nemeses.disk.wound import (
    VIOLATION,
    DiskWound,
    choose,
    disks_of,
    impossible_if_disk_refuses,
    is_stopped,
    rng_of,
)

LIBRARY, TRACER = "preloaded library", "strace"
DELAYS_MS = (50, 150, 300, 700, 1500)
"""From a busy disk to one that is failing. A leader gives up after two seconds."""
GROUP_DELAYS_MS = (20, 50, 150)
"""Where a majority is slow: every commit takes that long."""
ALWAYS = -1
DEATH_WITHIN_S = 5.0
"""From a sync that failed to the end of the node."""

_Undo = Callable[[], Awaitable[None]]


@attrs.frozen(kw_only=True)
class CallNemesis:
    """Healing switches it off.

    ``failed-sync``: the next fdatasync fails with EIO, or every one; as the kernel does
    it, what was to be written may be lost, and a second fdatasync would succeed. The
    node must die of the first: ``detail["violation"]`` if it was hit and did not.
    ``slow-sync``: each takes so many milliseconds longer.

    What holds: everything. What was not synced was promised to nobody. At most a
    minority has syncs that fail; slow they may be everywhere.
    """

    means: DiskMeans
    harm: Harm

    @property
    def faults(self) -> frozenset[Fault]:
        return frozenset({Fault.FAILED_SYNC, Fault.SLOW_SYNC})

    def missing(self, fault: Fault) -> str | None:
        return self.means.why_no_calls

    async def inject(self, injection: Injection, world: World) -> DiskWound:
        """See ``Nemesis``."""
        targets = await choose(injection, world)
        disks = [disks_of(world).disk(target) for target in targets]
        lives = {target: world.cluster.pid(target) for target in targets}
        is_failing = injection.fault is Fault.FAILED_SYNC
        rng = rng_of(injection)
        if is_failing:
            self.harm.trouble(targets, world.cluster.leaders)
            how = {"error": errno.EIO, "times": rng.choice((1, ALWAYS))}
        else:
            is_group = injection.target in (Target.MAJORITY, Target.ALL)
            how = {"delay_ms": rng.choice(GROUP_DELAYS_MS if is_group else DELAYS_MS)}
        undo: list[_Undo] = []

        async def mend() -> Mapping[str, Any]:
            hits = {disk.node: disk.shim.hits(Call.SYNC) for disk in disks if disk.shim}
            try:
                alive = [
                    node
                    for node, count in hits.items()
                    if is_failing and count and not await _has_died(world, node, lives)
                ]
            finally:
                await self._mend(undo, targets)
            detail: dict[str, Any] = {"hits": sum(hits.values())} if hits else {}
            if alive:
                names = ", ".join(alive)
                detail[VIOLATION] = f"{names} went on after an fdatasync that failed"
            return detail

        try:
            with impossible_if_disk_refuses():
                for disk in disks:
                    switch_off = await _switch_on(disk, world.cluster, how)
                    undo.append(switch_off)
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._mend(undo, targets)
            raise
        return DiskWound(
            targets=targets,
            means=LIBRARY if disks[0].shim else TRACER,
            detail={name: value for name, value in how.items() if name != "error"},
            mend=mend,
        )

    async def _mend(self, undo: list[_Undo], targets: tuple[str, ...]) -> None:
        try:
            for switch_off in undo:
                await switch_off()
        finally:
            self.harm.end(targets)


async def _switch_on(disk: NodeDisk, cluster: Cluster, how: Mapping[str, int]) -> _Undo:
    """Raises DiskError, with nothing changed."""
    shim = disk.shim
    if shim is None:
        pid = cluster.pid(disk.node)
        if pid is None:
            raise DiskError(f"{disk.node} is dead, and cannot be traced")
        return await trace_syncs(pid, **how)
    shim.set(Call.SYNC, **how)

    async def switch_off() -> None:
        shim.clear()

    return switch_off


async def _has_died(world: World, node: str, lives: Mapping[str, int | None]) -> bool:
    """Whether the life in which the sync failed is over, soon."""
    with trio.move_on_after(DEATH_WITHIN_S):
        await wait_until(lambda: world.cluster.pid(node) != lives[node])
        return True
    return is_stopped(lives[node])  # by another fault: it shall not be blamed
