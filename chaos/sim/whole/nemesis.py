"""What breaks the simulated cluster: faults drawn from the seed, one after another.

Faults overlap. Each ends by itself after a while; ``heal`` ends them all at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from chaos.sim.options import Fault
from chaos.sim.whole.client_faults import ClientFaults
from chaos.sim.whole.member_faults import MemberFaults
from chaos.sim.whole.network_faults import NetworkFaults
from chaos.sim.whole.node import SimulatedNode
from chaos.sim.whole.node_faults import NodeFaults
from chaos.sim.whole.targets import Targets

Act = Callable[[], Awaitable[None]]

WEIGHTS = {Fault.CRASH_ALL: 0.4, Fault.ROLLING_RESTART: 0.4, Fault.ISOLATION: 0.6}
"""How often a class comes, where that is not 1: these last long, or stop all work."""
DEAD_PROBABILITY = 0.5
"""Chance of a minority to stay dead when everything else heals."""


@attrs.define(eq=False)
class Nemesis:
    """Breaks what it is given, from one generator."""

    targets: Targets
    node_faults: NodeFaults = attrs.field(init=False)
    network_faults: NetworkFaults = attrs.field(init=False)
    client_faults: ClientFaults = attrs.field(init=False)
    member_faults: MemberFaults = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.node_faults = NodeFaults(self.targets)
        self.network_faults = NetworkFaults(self.targets)
        self.client_faults = ClientFaults(self.targets)
        self.member_faults = MemberFaults(self.targets)

    async def run(self, duration_s: float) -> None:
        """Break things for so long, then return with faults still in effect."""
        rng, options = self.targets.rng, self.targets.options
        acts = self._acts()
        with trio.move_on_after(duration_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._exercise, duration_s / 2)
                while True:
                    await trio.sleep(rng.expovariate(1 / options.pause_s))
                    if acts:
                        weights = [weight for _, weight in acts]
                        ((act, _),) = rng.choices(acts, weights)
                        nursery.start_soon(act)

    async def heal(self) -> None:
        """End every fault. What is down is started, but for a minority that stays
        dead for ever, and what shall not come back."""
        targets = self.targets
        targets.history.note("everything heals")
        self.network_faults.heal()
        self.node_faults.heal()
        self.client_faults.heal()
        for node in self._dead_for_ever():
            await node.crash(is_power_cut=True, is_sudden=True)
            node.lives.is_over = True
            targets.history.note(f"{node.name} is dead for ever", counted="dead")
        for node in targets.nodes:
            await node.start()
        for machine in targets.machines:
            await machine.lives.start()
        for framework in targets.frameworks:
            if framework.habits.is_returning:
                await framework.lives.start()
            else:
                await framework.crash()

    def _acts(self) -> list[tuple[Act, float]]:
        """What may happen, by the classes that are on; a class whose faults are of
        two kinds has a place for each."""
        options = self.targets.options
        found: list[tuple[Act, float]] = []
        for faults in (
            self.node_faults,
            self.network_faults,
            self.client_faults,
            self.member_faults,
        ):
            for fault, act in faults.acts().items():
                if options.is_on(fault):
                    found.append((act, WEIGHTS.get(fault, 1.0)))
        return found

    async def _exercise(self, after_s: float) -> None:
        """Without any change of the leader a run would show too little: so one stops
        in good order, where nothing has happened to it by half time."""
        await trio.sleep(after_s)
        leaders = self.targets.leaders
        if self.targets.history.terms_led < 2 and leaders:
            await leaders[0].stop()
            await trio.sleep(self.targets.rng.uniform(0.5, 2.0))
            await leaders[0].start()

    def _dead_for_ever(self) -> list[SimulatedNode]:
        """A minority, where nothing else is between the group and its work."""
        targets = self.targets
        if not self.member_faults.is_settled:
            return []
        if targets.rng.random() >= DEAD_PROBABILITY:
            return []
        return targets.rng.sample(list(targets.nodes), (len(targets.nodes) - 1) // 2)
