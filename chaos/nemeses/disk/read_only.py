"""``read-only``: the disk can be read, and no longer written, while the node runs."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from chaos.disks.live_disks import NodeDisk
from chaos.disks.means import DiskMeans
from chaos.disks.shim import Call
from chaos.live.faults import Fault, Injection
from chaos.live.seams import Cluster, ImpossibleError, World
from chaos.nemeses.disk.harm import Harm
from chaos.nemeses.disk.wound import (
    DiskWound,
    attempt_start,
    choose,
    disks_of,
    impossible_if_disk_refuses,
    kill,
)

EMERGENCY, NO_WRITES = "ext4 error", "EROFS by preloaded library"
WORDS = "Read-only file system"
"""Of the reason that a node gives."""


@attrs.frozen(kw_only=True)
class ReadOnlyNemesis:
    """A file system with a writer cannot be remounted read-only by anybody but the
    kernel, which does it when it meets an error in it (``errors=remount-ro``): that is
    how it happens to people, and what is done here, where the node has a file system
    of its own. Without one, calls that change something fail with EROFS.

    The node dies at its next write, and refuses to start, with the reason in its log;
    ``refused`` has the nodes that were seen to. Healing is the operator's: the file
    system is checked, mounted and the node started.

    What holds: everything. What was synced is there after the check. At most a
    minority is read-only at once, so the others go on.
    """

    means: DiskMeans
    harm: Harm

    @property
    def faults(self) -> frozenset[Fault]:
        return frozenset({Fault.READ_ONLY})

    def missing(self, fault: Fault) -> str | None:
        if self.means.why_no_ext4 is None or self.means.why_no_shim is None:
            return None
        return f"{self.means.why_no_ext4}; {self.means.why_no_shim}"

    async def inject(self, injection: Injection, world: World) -> DiskWound:
        """See ``Nemesis``."""
        cluster = world.cluster
        targets = await choose(injection, world)
        disks = [disks_of(world).disk(target) for target in targets]
        for disk in disks:
            if disk.volume is None and disk.shim is None:
                raise ImpossibleError(f"the disk of {disk.node} cannot be read-only")
        self.harm.trouble(targets, cluster.leaders)
        made: list[NodeDisk] = []

        async def mend() -> Mapping[str, Any]:
            refused = [
                disk.node for disk in made if await _mend(disk, cluster, is_seen=True)
            ]
            self.harm.end(targets)
            return {"refused": refused}

        try:
            with impossible_if_disk_refuses():
                for disk in disks:
                    made.append(disk)
                    _forbid(disk)
        except BaseException:
            with trio.CancelScope(shield=True):
                for disk in made:
                    await _mend(disk, cluster, is_seen=False)
            self.harm.end(targets)
            raise
        return DiskWound(
            targets=targets,
            means=EMERGENCY if disks[0].volume else NO_WRITES,
            detail={},
            mend=mend,
        )


def _forbid(disk: NodeDisk) -> None:
    if disk.volume is not None:
        disk.volume.fail()
        return
    assert disk.shim is not None
    calls = (Call.WRITE, Call.ALLOCATE, Call.CHANGE)
    disk.shim.set(*calls, error=errno.EROFS)


async def _mend(disk: NodeDisk, cluster: Cluster, *, is_seen: bool) -> bool:
    """As an operator does it; whether the node was seen refusing to start before, with
    the reason. A node whose file system is beyond repair stays held: DiskError."""
    node = disk.node
    has_refused = False
    cluster.hold(node)
    await kill(cluster, [node])
    if is_seen:
        attempt = await attempt_start(cluster, node)
        has_refused = attempt.has_died and WORDS in attempt.said
    if disk.volume is not None:
        await disk.volume.repair()
    elif disk.shim is not None:
        disk.shim.clear()
    cluster.release(node)
    return has_refused
