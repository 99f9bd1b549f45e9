"""The fast level of the simulation: the sans-IO parts under an event heap.

Everything that decides is real: ``Member`` with its Raft core, journal and snapshots on
a simulated disk, the cluster state, the allocator, the agents' machine, the frameworks'
session. What drives them in production by trio tasks is scripted here, so that a minute
of a cluster's life takes a fraction of a second. See ``docs/chaos.md``.

Read ``world`` first: it makes everything and runs it over ``agenda`` (time) and
``network``. ``node`` is a leader node, ``leader`` (with ``leader_agents`` and
``leader_streams``) what it does while it leads; ``agent``, ``framework`` and
``framework_life`` are the other parties. ``nemesis`` breaks them, ``operator`` replaces
nodes, ``judge`` tells every checker, ``ending`` looks at what must be so at the end.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable

from chaos.sim.fast.ending import report_of
from chaos.sim.fast.judge import ErrorLog
from chaos.sim.fast.world import World
from chaos.sim.options import draw_options
from chaos.sim.report import Report
from chaos.zoo.mutants import planted


def simulate_fast(
    seed: int,
    *,
    seconds: float = 60.0,
    trace: Callable[[str], object] | None = None,
    mutant: str | None = None,
) -> Report:
    """Run the cluster that ``seed`` gives for so many seconds of virtual time.

    ``trace`` is given a line for all that happens. ``mutant`` names a bug to be planted
    (``chaos.zoo.mutants``); ConfigError if there is none of that name. Raises nothing
    for what the cluster does wrong: the report says it. Same seed, same report.
    """
    options = draw_options(seed, level="fast", seconds=seconds)
    with contextlib.ExitStack() as stack:
        stack.enter_context(planted(mutant))
        world = World(options, sink=trace)
        stack.enter_context(ErrorLog(world.judge))
        if gc.isenabled():
            # A run makes few cycles, and ends soon.
            gc.disable()
            stack.callback(gc.enable)
        world.run()
        return report_of(world)
