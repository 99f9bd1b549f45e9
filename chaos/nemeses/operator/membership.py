"""A leader node leaves the group, and comes back as a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, World, Wound
from chaos.nemeses.operator.group import (
    JOIN,
    GroupChangeError,
    GroupOperator,
    empty_folder,
)
from chaos.nemeses.process.victims import victims
from chaos.nemeses.wounds import HealedBy

PUT_RIGHT_WITHIN_S = 45.0


@attrs.frozen
class MemberChange:
    """``membership``: a node is removed while it runs, stopped, emptied, and started
    with ``--join``; while the fault is in force the group has a member less. Healed, it
    has been added as a learner, has received the log, and has its vote again."""

    faults: frozenset[Fault] = frozenset({Fault.MEMBERSHIP})

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        [name] = await victims(injection, world.cluster)
        change = _Change(world=world, name=name)
        members = await change.group.members()
        if not members or name not in members:
            raise ImpossibleError(f"{name} is no member now")
        try:
            await change.leave()
        except GroupChangeError as error:
            await change.put_right()
            raise ImpossibleError(str(error)) from error
        except BaseException:
            await change.put_right()
            raise
        return HealedBy(
            targets=(name,),
            means="members",
            detail={"members_before": len(members)},
            healing=change.come_back,
        )


@attrs.define(kw_only=True)
class _Change:
    world: World
    name: str
    is_empty: bool = False

    @property
    def group(self) -> GroupOperator:
        return GroupOperator(self.world.cluster)

    async def leave(self) -> None:
        await self.group.remove(self.name)
        await self._begin_anew()

    async def put_right(self) -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(PUT_RIGHT_WITHIN_S):
            await self.come_back()

    async def come_back(self) -> Mapping[str, Any]:
        if not self.is_empty:
            members = await self.group.members()
            if members is not None and self.name in members:
                return {"members_after": len(members)}  # it never left
            await self._begin_anew()
        await self.group.add_back(self.world.cluster.node(self.name))
        return {"members_after": len(await self.group.members() or {})}

    async def _begin_anew(self) -> None:
        cluster = self.world.cluster
        node = cluster.node(self.name)
        cluster.hold(self.name)
        try:
            await cluster.stop(self.name)
            assert node.data_dir is not None, "a leader node has a data directory"
            empty_folder(node.data_dir)
            self.is_empty = True
            if JOIN not in node.arguments:
                node.arguments.append(JOIN)
        finally:
            cluster.release(self.name)
