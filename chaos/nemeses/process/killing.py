"""SIGKILL, and a new life when the fault is over."""

from __future__ import annotations

from contextlib import ExitStack

import attrs

from chaos.live.faults import Fault, Injection
from chaos.live.seams import World, Wound
from chaos.nemeses.process.victims import living_victims
from chaos.nemeses.wounds import Undone, hold


@attrs.frozen
class Killing:
    """``kill``, ``kill-all``, ``agent-kill``, ``framework-kill``: the processes die in
    the same moment and stay dead until the fault is healed. What an agent ran goes on
    without it."""

    faults: frozenset[Fault] = frozenset(
        {Fault.KILL, Fault.KILL_ALL, Fault.AGENT_KILL, Fault.FRAMEWORK_KILL}
    )

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        cluster = world.cluster
        pids = await living_victims(injection, cluster)
        with ExitStack() as undo:
            for name in pids:
                hold(cluster, name, undo)
            for name in pids:
                cluster.kill(name)
            for name in pids:
                await cluster.wait_dead(name)
            return Undone(
                targets=tuple(pids),
                means="SIGKILL",
                undo=undo.pop_all(),
                detail={"pids": pids},
            )
