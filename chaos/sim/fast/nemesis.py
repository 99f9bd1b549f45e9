"""What breaks the fast level: faults drawn from the seed, one after another.

Faults overlap, and each ends by itself after a while. Those of the disks' contents
(lost, torn and damaged writes) are a matter of how a node dies, so they are set up by
the world; the rest is in ``faults_nodes``, ``faults_network`` and ``faults_clients``.
"""

from __future__ import annotations

from collections import Counter

from chaos.sim.fast.faults_clients import ClientFaults
from chaos.sim.fast.faults_network import NetworkFaults
from chaos.sim.fast.faults_nodes import NodeFaults
from chaos.sim.fast.means import Means
from chaos.sim.options import Fault, Options

WEIGHTS = {
    Fault.CRASH: 3.0,
    Fault.CRASH_AT_POINT: 3.0,
    Fault.CRASH_AT_DISK: 4.0,
    Fault.PARTITION: 2.0,
    Fault.CRASH_ALL: 0.7,
    Fault.ROLLING_RESTART: 0.3,
    Fault.LOST_DISK: 0.5,
    Fault.MEMBERSHIP: 0.6,
    Fault.CLOCK_JUMP: 0.3,
    Fault.ISOLATION: 0.7,
}
"""How often a class is drawn, beside others that are on; 1 if it is not named."""


class Nemesis:
    """See the module. ``fired`` counts what happened, by class; what happens to single
    messages and writes is counted where it happens."""

    def __init__(self, options: Options, means: Means, fired: Counter[Fault]) -> None:
        self._pause_s = options.pause_s
        self._means = means
        self._fired = fired
        acts = {
            **NodeFaults(means).acts(),
            **NetworkFaults(means).acts(),
            **ClientFaults(means).acts(),
        }
        self._acts = [(fault, acts[fault]) for fault in options.faults if fault in acts]
        self._weights = [WEIGHTS.get(fault, 1.0) for fault, _ in self._acts]

    def begin(self) -> None:
        """Break things until ``end``."""
        if self._acts:
            self._next()

    def end(self) -> None:
        self._means.is_over = True

    def _next(self) -> None:
        means = self._means
        means.agenda.after(means.rng.expovariate(1 / self._pause_s), self._strike)

    def _strike(self) -> None:
        means = self._means
        if means.is_over:
            return
        (chosen,) = means.rng.choices(self._acts, self._weights)
        fault, act = chosen
        means.trace.note(f"fault: {fault.label}")
        if act():
            self._fired[fault] += 1
        self._next()
