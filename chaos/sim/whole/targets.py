"""What the nemeses break, and what they share."""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs
import trio

from chaos.sim.options import Options
from chaos.sim.whole.framework import SimulatedFramework
from chaos.sim.whole.history import History
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.machine import SimulatedMachine
from chaos.sim.whole.network import SimulatedNetwork
from chaos.sim.whole.node import SimulatedNode

FAULT_S = 2.5
"""Mean duration of a fault."""
FAULT_S_MAX = 10.0


@attrs.define(eq=False, kw_only=True)
class Targets:
    """Everything there is to break in one run, and the generator that decides."""

    nodes: Sequence[SimulatedNode]
    machines: Sequence[SimulatedMachine]
    frameworks: Sequence[SimulatedFramework]
    network: SimulatedNetwork
    http: HttpNetwork
    history: History
    options: Options
    rng: random.Random

    @property
    def leaders(self) -> list[SimulatedNode]:
        """Nodes that believe they lead."""
        return [node for node in self.nodes if node.is_leading]

    def any_node(self) -> SimulatedNode:
        """A node, of every second draw the leader."""
        leaders = self.leaders
        if leaders and self.rng.random() < 0.5:
            return leaders[0]
        return self.rng.choice(self.nodes)

    def any_pair(self) -> tuple[str, str]:
        """Two nodes, or a node and an agent, in either order."""
        node = self.any_node().name
        names = [one.name for one in self.nodes] * 2
        names += [one.name for one in self.machines]
        other = self.rng.choice([name for name in names if name != node])
        return (node, other) if self.rng.random() < 0.5 else (other, node)

    async def wait(self, longest_s: float = FAULT_S_MAX) -> None:
        """As long as a fault lasts."""
        await trio.sleep(min(self.rng.expovariate(1 / FAULT_S), longest_s))
