"""What breaks the simulated cluster: faults drawn from the seed, one after another.

Faults overlap. Each ends by itself after a while; ``heal`` ends them all at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs
import trio

from chaos.sim.whole.framework import SimulatedFramework
from chaos.sim.whole.history import History
from chaos.sim.whole.http import HttpNetwork
from chaos.sim.whole.machine import SimulatedMachine
from chaos.sim.whole.node import SimulatedNode
from transports.faults import FaultPlan

PAUSES_S = (0.2, 0.8, 0.8, 2.0)
"""Mean time between the beginnings of two faults; a run has one of these."""
FAULT_S = 2.5
"""Mean duration of one."""
AGENT_AWAY_S_MAX = 12.0
"""Longest absence of an agent: longer than its timeout, so that some are given up."""


@attrs.define(eq=False, kw_only=True)
class Nemesis:
    """Breaks what it is given, from one generator."""

    nodes: Sequence[SimulatedNode]
    machines: Sequence[SimulatedMachine]
    frameworks: Sequence[SimulatedFramework]
    plan: FaultPlan
    http: HttpNetwork
    history: History
    rng: random.Random

    async def run(self, duration_s: float) -> None:
        """Break things for so long, then return with faults still in effect."""
        pause_s = self.rng.choice(PAUSES_S)
        acts = (
            (self._crash_leader, 3),
            (self._crash_node, 2),
            (self._stop_node, 1),
            (self._isolate_leader, 2),
            (self._cut, 3),
            (self._silence, 3),
            (self._half_open, 2),
            (self._delay, 2),
            (self._drop, 2),
            (self._crash_machine, 2),
            (self._stop_machine, 0.5),
            (self._stall_http, 1),
            (self._break_http, 2),
            (self._crash_framework, 2),
        )
        with trio.move_on_after(duration_s):
            async with trio.open_nursery() as nursery:
                while True:
                    await trio.sleep(self.rng.expovariate(1 / pause_s))
                    (act,) = self.rng.choices(
                        [act for act, _ in acts], [weight for _, weight in acts]
                    )
                    nursery.start_soon(act)

    async def heal(self) -> None:
        """End every fault, and start all that is down and shall come back."""
        self.history.note("everything heals")
        self.plan.heal_all()
        self.http.loss_probability = 0.0
        for node in self.nodes:
            self.http.flow(node.name)
            await node.lives.start()
        for machine in self.machines:
            await machine.lives.start()
        for framework in self.frameworks:
            if framework.habits.is_returning:
                await framework.lives.start()
            else:
                await framework.crash()

    # --- Lives ----------------------------------------------------------------------

    async def _crash_leader(self) -> None:
        await self._crash(self._leader())

    async def _crash_node(self) -> None:
        await self._crash(self.rng.choice(self.nodes))

    async def _crash(self, node: SimulatedNode) -> None:
        await node.crash()
        await self._wait()
        await node.lives.start()

    async def _stop_node(self) -> None:
        node = self.rng.choice(self.nodes)
        await node.stop()
        await self._wait()
        await node.lives.start()

    async def _crash_machine(self) -> None:
        machine = self.rng.choice(self.machines)
        await machine.crash()
        await self._wait(AGENT_AWAY_S_MAX)
        await machine.lives.start()

    async def _stop_machine(self) -> None:
        machine = self.rng.choice(self.machines)
        await machine.stop()
        await self._wait()
        await machine.lives.start()

    async def _crash_framework(self) -> None:
        framework = self.rng.choice(self.frameworks)
        if not framework.lives.is_up:
            return
        await framework.crash()
        if framework.habits.is_returning:
            await self._wait()
            await framework.lives.start()

    # --- The network of nodes and agents --------------------------------------------

    async def _isolate_leader(self) -> None:
        leader = self._leader().name
        others = [node.name for node in self.nodes if node.name != leader]
        self.history.note(f"{leader} is cut from the other nodes", counted="cuts")
        for other in others:
            self.plan.cut(leader, other)
        await self._wait()
        for other in others:
            self.plan.heal(leader, other)

    async def _cut(self) -> None:
        a, b = self._pair()
        self.history.note(f"{a} and {b} are cut", counted="cuts")
        self.plan.cut(a, b)
        await self._heal_later(a, b)

    async def _silence(self) -> None:
        a, b = self._pair()
        self.history.note(f"{a} is not heard by {b}", counted="cuts")
        self.plan.silence(a, b)
        await self._heal_later(a, b)

    async def _half_open(self) -> None:
        a, b = self._pair()
        self.history.note(f"{a} and {b} do not hear each other", counted="cuts")
        self.plan.half_open(a, b)
        await self._heal_later(a, b)

    async def _delay(self) -> None:
        a, b = self._pair()
        least = self.rng.uniform(0.0, 0.2)
        greatest = least + self.rng.uniform(0.0, 0.3)
        self.history.note(f"{a} reaches {b} {least:.3f} to {greatest:.3f} s late")
        self.plan.delay(a, b, delay_s=(least, greatest))
        await self._heal_later(a, b)

    async def _drop(self) -> None:
        a, b = self._pair()
        probability = self.rng.uniform(0.05, 0.5)
        self.history.note(f"{a} reaches {b} not always: {probability:.2f} are lost")
        self.plan.drop(a, b, probability=probability)
        self.plan.drop(b, a, probability=probability)
        await self._heal_later(a, b)

    def _pair(self) -> tuple[str, str]:
        """Two nodes, or a node and an agent, in either order."""
        node = self.rng.choice(self.nodes).name
        names = [one.name for one in self.nodes]
        names += [one.name for one in self.machines]
        other = self.rng.choice([name for name in names if name != node])
        return (node, other) if self.rng.random() < 0.5 else (other, node)

    async def _heal_later(self, a: str, b: str) -> None:
        await self._wait()
        self.plan.heal(a, b)

    # --- The network of frameworks --------------------------------------------------

    async def _stall_http(self) -> None:
        node = self.rng.choice(self.nodes).name
        self.history.note(f"{node} is cut from the frameworks", counted="cuts")
        self.http.stall(node)
        await self._wait()
        self.http.flow(node)

    async def _break_http(self) -> None:
        framework = self.rng.choice(self.frameworks).name
        count = self.http.break_all(framework)
        self.history.note(f"{count} connections of {framework} break")

    def _leader(self) -> SimulatedNode:
        leading = [node for node in self.nodes if node.is_leading]
        return leading[0] if leading else self.rng.choice(self.nodes)

    async def _wait(self, longest_s: float = 4 * FAULT_S) -> None:
        await trio.sleep(min(self.rng.expovariate(1 / FAULT_S), longest_s))
