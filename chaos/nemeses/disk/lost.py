"""``lost-disk``: a leader node comes back with an empty data directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, World
from chaos.nemeses.disk.harm import Harm
from chaos.nemeses.disk.replacement import peer_address, replace, why_fixed
from chaos.nemeses.disk.wound import (
    VIOLATION,
    DiskWound,
    attempt_start,
    choose,
    disks_of,
    held_on_error,
    kill,
)

LEADS = "leading term="
"""What a node logs when it begins to lead."""


@attrs.frozen(kw_only=True)
class LostDiskNemesis:
    """Kills a node, gives it an empty disk, and lets it try to start: under the name of
    a member whose directory the others knew it must not take part, or it could vote
    twice. It ends as soon as one of them tells it; ``detail["refused"]``. Or it waits
    for somebody to tell it, and is killed again.

    Healing is the operator's: the member is removed, the node started on an empty disk
    with ``--join``, added and promoted.

    What holds: everything. At most a minority of disks is lost at once, so a majority
    has what was answered; the empty node votes for nobody before it has it, too. Where
    members cannot be changed it is impossible: an empty node would be one that may vote
    again, as docs/pysyncobj.md says.
    """

    harm: Harm

    @property
    def faults(self) -> frozenset[Fault]:
        return frozenset({Fault.LOST_DISK})

    def missing(self, fault: Fault) -> str | None:
        return None

    async def inject(self, injection: Injection, world: World) -> DiskWound:
        """See ``Nemesis``. Once the disk is empty there is no way back: what fails or
        is cancelled after that is healed before this raises."""
        cluster = world.cluster
        targets = await choose(injection, world)
        disks = [disks_of(world).disk(target) for target in targets]
        for target in targets:
            peer_address(cluster, target)
            if why := why_fixed(cluster, target):
                raise ImpossibleError(why)
        self.harm.lose(targets, cluster.leaders)

        async def mend() -> Mapping[str, Any]:
            detail: dict[str, Any] = {}
            for disk in disks:
                detail |= await replace(cluster, disk)
                self.harm.end([disk.node])
            return detail

        with self.harm.ended_on_error(targets):
            async with held_on_error(cluster, targets):
                await kill(cluster, targets)
        detail: dict[str, Any] = {"refused": []}
        try:
            for disk in disks:
                await disk.renew()
                attempt = await attempt_start(cluster, disk.node)
                if attempt.has_died:
                    detail["refused"].append(disk.node)
                elif LEADS in attempt.said:
                    detail[VIOLATION] = f"{disk.node} led with an empty directory"
        except BaseException:
            with trio.CancelScope(shield=True):
                await mend()
            raise
        return DiskWound(targets=targets, means="empty disk", detail=detail, mend=mend)
