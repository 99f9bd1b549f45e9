"""``truncated-journal`` and ``flipped-journal``: the files of a node that is down are
damaged; it must tell a torn write from damage to something promised."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import attrs
import trio

from chaos.disks.live_disks import NodeDisk
from chaos.live.faults import Fault, Injection
from chaos.live.seams import Cluster, ImpossibleError, World
from chaos.nemeses.disk.damage import (
    Damage,
    SegmentView,
    cut_short,
    flip_bit,
    tear,
    view_journal,
)
from chaos.nemeses.disk.harm import Harm
from chaos.nemeses.disk.replacement import replace, why_fixed
from chaos.nemeses.disk.wound import (
    VIOLATION,
    DiskWound,
    attempt_start,
    choose,
    disks_of,
    held_on_error,
    kill,
    read_from,
    rng_of,
)

TORN, CUT, FLIPPED = "torn write", "cut file", "flipped bit"
UP_WITHIN_S = 20.0
_DAMAGED, _REPAIRED = "is damaged at byte", "of an unfinished write"


@attrs.frozen(kw_only=True)
class JournalNemesis:
    """Kills a node and damages its journal before it may start.

    ``truncated-journal`` is one of two. A *torn write*: behind the end there is the
    beginning of a batch, as a crash in the middle of a write leaves it. It was promised
    to nobody, so the node must cut it, say so, and go on: that is the healing. Or a
    *cut file*: a part of what was synced is missing. The node must refuse to start.
    What is *not* done is to cut off whole batches at the very end: no node can tell
    that from a torn write, and one that has forgotten what it confirmed can, together
    with another that was behind, lose what was answered; docs/replication.md says so
    under "what is not promised".

    ``flipped-journal``: one bit of what was synced, but for the last batch. The node
    must refuse to start, and name file and offset.

    A damaged node was never up, and is as good as lost. Healing is the operator's: it
    is replaced, by an empty one; where members cannot be changed (PySyncObj), the very
    bytes that were there are put back, as from the mirror of a disk.

    What holds: everything. At most a minority has a journal that is not whole, and none
    takes part in anything before it is replaced. ``detail["violation"]`` says where a
    node did not do what it must.
    """

    harm: Harm

    @property
    def faults(self) -> frozenset[Fault]:
        return frozenset({Fault.TRUNCATED_JOURNAL, Fault.FLIPPED_JOURNAL})

    def missing(self, fault: Fault) -> str | None:
        return None

    async def inject(self, injection: Injection, world: World) -> DiskWound:
        """See ``Nemesis``."""
        cluster, rng = world.cluster, rng_of(injection)
        targets = await choose(injection, world)
        disks = [disks_of(world).disk(target) for target in targets]
        for disk in disks:
            view_journal(disk.data_dir)  # may be read while it runs; raises if too new
        how = FLIPPED
        if injection.fault is Fault.TRUNCATED_JOURNAL:
            how = rng.choice((TORN, CUT))
        if how == TORN:
            return await self._tear(targets, disks, cluster, rng)
        damage = flip_bit if how == FLIPPED else cut_short
        return await self._damage(targets, disks, cluster, rng, how, damage)

    async def _tear(
        self,
        targets: tuple[str, ...],
        disks: Sequence[NodeDisk],
        cluster: Cluster,
        rng: random.Random,
    ) -> DiskWound:
        self.harm.trouble(targets, cluster.leaders)
        with self.harm.ended_on_error(targets):
            async with held_on_error(cluster, targets):
                await kill(cluster, targets)
                sizes = [tear(view_journal(disk.data_dir), rng) for disk in disks]

        async def mend() -> Mapping[str, Any]:
            problems: list[str] = []
            marks = {target: _log_size(cluster, target) for target in targets}
            for target in targets:
                cluster.release(target)
            try:
                for target in targets:
                    problem = await _see_repair(cluster, target, marks[target])
                    problems += [problem] if problem else []
            finally:
                self.harm.end(targets)
            return {VIOLATION: "; ".join(problems)} if problems else {}

        return DiskWound(
            targets=targets, means=TORN, detail={"torn_bytes": sizes}, mend=mend
        )

    async def _damage(
        self,
        targets: tuple[str, ...],
        disks: Sequence[NodeDisk],
        cluster: Cluster,
        rng: random.Random,
        how: str,
        damage: Callable[[Sequence[SegmentView], random.Random], Damage],
    ) -> DiskWound:
        for target in targets:
            if len(cluster.leaders) < 3:
                raise ImpossibleError(f"nobody is left who could replace {target}")
        self.harm.lose(targets, cluster.leaders)
        done: list[Damage] = []
        async with AsyncExitStack() as stack:
            stack.enter_context(self.harm.ended_on_error(targets))
            await stack.enter_async_context(held_on_error(cluster, targets))
            try:
                await kill(cluster, targets)
                for disk in disks:
                    one = damage(view_journal(disk.data_dir), rng)
                    done.append(one)
                refusals = [
                    await see_refusal(cluster, one, target)
                    for one, target in zip(done, targets, strict=True)
                ]
            except BaseException:
                with trio.CancelScope(shield=True):
                    await kill(cluster, targets)
                    for one in done:
                        one.undo()
                raise

        async def mend() -> Mapping[str, Any]:
            detail: dict[str, Any] = {}
            for disk, one in zip(disks, done, strict=True):
                if why_fixed(cluster, disk.node) is None:
                    detail |= await replace(cluster, disk)
                else:
                    one.undo()
                    cluster.release(disk.node)
                self.harm.end([disk.node])
            return detail

        problems = [problem for problem in refusals if problem]
        places = [f"{one.file.name} byte {one.offset}" for one in done]
        detail: dict[str, Any] = {"damaged": places, "refused": not problems}
        if problems:
            detail[VIOLATION] = "; ".join(problems)
        return DiskWound(targets=targets, means=how, detail=detail, mend=mend)


async def see_refusal(cluster: Cluster, damage: Damage, node: str) -> str | None:
    """Start it on the damaged journal; what it did wrong, or None if it refused and
    named the file."""
    attempt = await attempt_start(cluster, node)
    if not attempt.has_started:
        return None  # somebody else holds it: nothing was seen
    if not attempt.has_died:
        return f"{node} started on a damaged journal ({damage.file.name})"
    if _DAMAGED not in attempt.said or damage.file.parent.name not in attempt.said:
        return f"{node} did not say what is damaged: {attempt.said[-300:]}"
    return None


async def _see_repair(cluster: Cluster, node: str, mark: int) -> str | None:
    """Wait until it is up; what it did wrong, if anything."""
    log = cluster.node(node).log_file
    with trio.move_on_after(UP_WITHIN_S):
        while (await cluster.statuses()).get(node) is None:
            if _DAMAGED in (said := read_from(log, mark)):
                return f"{node} took a torn write for damage: {said[-300:]}"
            await trio.sleep(0.1)
        if _REPAIRED not in read_from(log, mark):
            return f"{node} did not say that it cut a torn write"
    return None


def _log_size(cluster: Cluster, node: str) -> int:
    log = cluster.node(node).log_file
    return log.stat().st_size if log.exists() else 0
