"""Every leader node is restarted in turn, as for a new version."""

from __future__ import annotations

import random
from contextlib import ExitStack

import attrs

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, World, Wound
from chaos.nemeses.wounds import Undone, hold
from raftleader.errors import RaftLeaderError

HEALTHY_WITHIN_S = 8.0
"""Between two nodes; 1-2 s are usual. An operator does not go on with a sick group."""


@attrs.frozen
class RollingRestart:
    """``rolling-restart``: TERM, wait until it has ended, start it, wait until the
    group is well, and so on with the next. All of it happens while it is made: there is
    nothing to heal. If the group is not well in time the rest is left as it is, and the
    detail says so (``stopped_after``)."""

    faults: frozenset[Fault] = frozenset({Fault.ROLLING_RESTART})
    healthy_within_s: float = HEALTHY_WITHIN_S

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        cluster = world.cluster
        order = list(cluster.leaders)
        random.Random(injection.seed).shuffle(order)
        if not all(cluster.pid(name) for name in order):
            raise ImpossibleError("a node is down already")
        restarted: list[str] = []
        why = ""
        for name in order:
            with ExitStack() as undo:
                hold(cluster, name, undo)
                await cluster.stop(name)
            restarted.append(name)
            try:
                await cluster.wait_ready(timeout_s=self.healthy_within_s)
            except RaftLeaderError as error:
                why = str(error)
                break
        return Undone(
            targets=tuple(restarted),
            means="SIGTERM",
            undo=ExitStack(),
            detail={"stopped_after": restarted[-1], "why": why} if why else {},
        )
