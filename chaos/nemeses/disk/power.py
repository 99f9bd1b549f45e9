"""``power-cut``: at one instant the file systems of some leader nodes are gone, with
everything that was not synced; then the nodes die."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs
import trio

from chaos.disks.errors import DiskError
from chaos.disks.ext4 import Ext4Volume
from chaos.disks.means import DiskMeans
from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, World
from chaos.nemeses.disk.wound import (
    DiskWound,
    choose,
    disks_of,
    held_on_error,
    impossible_if_disk_refuses,
    kill,
)

_NS_PER_MS = 1_000_000


@attrs.frozen(kw_only=True)
class PowerCutNemesis:
    """Healing gives them their power back: the journals of the file systems are
    replayed, and the nodes start.

    What holds: everything, at any number of nodes, all of them too. What was answered
    was synced by a majority before, and what is synced survives. While fewer than a
    majority have power, nothing is answered.
    """

    means: DiskMeans

    @property
    def faults(self) -> frozenset[Fault]:
        return frozenset({Fault.POWER_CUT})

    def missing(self, fault: Fault) -> str | None:
        return self.means.why_no_ext4

    async def inject(self, injection: Injection, world: World) -> DiskWound:
        """See ``Nemesis``."""
        cluster = world.cluster
        targets = await choose(injection, world)
        volumes = _volumes(world, targets)
        async with held_on_error(cluster, targets):
            try:
                began_ns = world.journal.now_ns()
                with impossible_if_disk_refuses():
                    for volume in volumes:
                        volume.cut_power()
                took_ms = (world.journal.now_ns() - began_ns) / _NS_PER_MS
                await kill(cluster, targets)
            except BaseException:
                with trio.CancelScope(shield=True):
                    await kill(cluster, targets)
                    for volume in volumes:
                        await remount(volume)
                raise

        async def mend() -> Mapping[str, Any]:
            await give_power(world, targets)
            return {}

        return DiskWound(
            targets=targets,
            means="ext4 shutdown",
            detail={"within_ms": round(took_ms, 3)},
            mend=mend,
        )


def _volumes(world: World, targets: tuple[str, ...]) -> list[Ext4Volume]:
    volumes: list[Ext4Volume] = []
    for target in targets:
        volume = disks_of(world).disk(target).volume
        if volume is None:
            raise ImpossibleError(f"{target} has no file system of its own")
        volumes.append(volume)
    return volumes


async def give_power(world: World, targets: Collection[str]) -> None:
    """Mount the file systems of dead nodes anew, and let them start.

    A node whose file system cannot be mounted stays held: it must not begin anew in
    the empty folder below. Raises DiskError, when the others are done.
    """
    problems: list[str] = []
    for target in targets:
        try:
            volume = disks_of(world).disk(target).volume
            assert volume is not None
            await remount(volume)
        except DiskError as error:
            problems.append(str(error))
        else:
            world.cluster.release(target)
    if problems:
        raise DiskError("; ".join(problems))


async def remount(volume: Ext4Volume) -> None:
    """As after a power cut. Raises DiskError."""
    await volume.unmount()
    await volume.mount()
