"""What the faults of the fast level work with."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from chaos.sim.fast.agenda import Agenda
from chaos.sim.fast.network import Network
from chaos.sim.fast.node import SimNode

if TYPE_CHECKING:
    from chaos.sim.fast.agent import SimAgent
    from chaos.sim.fast.framework import SimFramework
    from chaos.sim.fast.operator import Operator
    from chaos.sim.fast.trace import Trace

FAULT_S = 1.5
"""Mean duration of one."""
FAULT_S_MAX = 8.0


@attrs.define(eq=False, kw_only=True)
class Means:
    """Everybody there is, and chance.

    Attributes:
        is_over: The faults are: what was to happen later does not happen.
    """

    agenda: Agenda
    network: Network
    trace: Trace
    nodes: Sequence[SimNode]
    agents: Sequence[SimAgent]
    frameworks: Sequence[SimFramework]
    operator: Operator
    rng: random.Random
    is_over: bool = False

    def duration_s(self) -> float:
        """How long a fault lasts."""
        return min(self.rng.expovariate(1 / FAULT_S), FAULT_S_MAX)

    def later(self, act: Callable[[], object], delay_s: float | None = None) -> None:
        """Call it, unless the faults are over by then: healing ends them all."""

        def run() -> None:
            if not self.is_over:
                act()

        self.agenda.after(self.duration_s() if delay_s is None else delay_s, run)

    def node(self) -> SimNode:
        """The leader as often as all others together."""
        if self.rng.random() < 0.5:
            leading = [node for node in self.nodes if node.leader is not None]
            if leading:
                return self.rng.choice(leading)
        return self.rng.choice(self.nodes)

    def names(self) -> list[str]:
        """Of the leader nodes."""
        return [node.name for node in self.nodes]

    def clients(self) -> list[str]:
        """Names of agents and frameworks."""
        agents = [agent.name for agent in self.agents]
        return agents + [framework.name for framework in self.frameworks]

    def cut(self, pairs: Sequence[tuple[str, str]]) -> Callable[[], None]:
        """Cut these directions; the answer heals them."""
        is_holding = self.rng.random() < 0.4
        for a, b in pairs:
            self.network.cut(a, b, is_holding=is_holding)

        def heal() -> None:
            for a, b in pairs:
                self.network.heal(a, b)

        return heal
