"""Leadership is handed to another node."""

from __future__ import annotations

import random
from contextlib import ExitStack

import attrs

from chaos.live.faults import Fault, Injection, Target
from chaos.live.seams import ImpossibleError, World, Wound
from chaos.nemeses.targets import see_crowd
from chaos.nemeses.wounds import Undone

_DONE, _UNKNOWN = 0, 3


@attrs.frozen
class LeadershipTransfer:
    """``transfer``: ``raftleader transfer NODE``, to one that lives. Over at once."""

    faults: frozenset[Fault] = frozenset({Fault.TRANSFER})

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        cluster = world.cluster
        old = (await see_crowd(cluster, Target.LEADER)).leader
        assert old is not None, "one was waited for"
        others = [name for name in cluster.leaders if name != old and cluster.pid(name)]
        if not others:
            raise ImpossibleError("there is no other node to lead")
        new = random.Random(injection.seed).choice(others)
        code, said = await cluster.command("transfer", new)
        if code not in (_DONE, _UNKNOWN):
            raise ImpossibleError(said.strip().rpartition("\n")[2] or f"code {code}")
        return Undone(
            targets=(old, new),
            means="raftleader transfer",
            undo=ExitStack(),
            detail={"from": old, "to": new, "is_known": code == _DONE},
        )
