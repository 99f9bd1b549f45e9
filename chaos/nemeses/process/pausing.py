"""SIGSTOP: a process that stands still and does not know it."""

from __future__ import annotations

import signal
from contextlib import ExitStack

import attrs
import psutil
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import World, Wound
from chaos.nemeses.process.victims import living_victims
from chaos.nemeses.wounds import Undone

STOPPED_WITHIN_S = 1.0
POLL_INTERVAL_S = 0.002


@attrs.frozen
class Pausing:
    """``pause``, ``agent-pause``, ``framework-pause``, longer than any election takes.

    A leader that goes on then believes for a moment that it still leads. Its kernel
    answered for it all the while: connections stay, and what came is waiting."""

    faults: frozenset[Fault] = frozenset(
        {Fault.PAUSE, Fault.AGENT_PAUSE, Fault.FRAMEWORK_PAUSE}
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
                # One that died meanwhile lives again by then, and does not mind.
                undo.callback(cluster.kill, name, signal.SIGCONT)
                cluster.kill(name, signal.SIGSTOP)
            for pid in pids.values():
                await _wait_stopped(pid)
            return Undone(
                targets=tuple(pids),
                means="SIGSTOP",
                undo=undo.pop_all(),
                detail={"pids": pids},
            )


async def _wait_stopped(pid: int) -> None:
    """A process in the middle of a system call stops when that is over."""
    with trio.move_on_after(STOPPED_WITHIN_S):
        while True:
            try:
                if psutil.Process(pid).status() == psutil.STATUS_STOPPED:
                    return
            except psutil.NoSuchProcess:
                return
            await trio.sleep(POLL_INTERVAL_S)
