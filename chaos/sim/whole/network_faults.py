"""Faults of the network between nodes, and between nodes and agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import combinations

import attrs
import trio

from chaos.sim.options import Fault
from chaos.sim.whole.targets import FAULT_S_MAX, Targets

ISOLATION_S_MAX = 12.0
RESET_S_MAX = 1.0


@attrs.define(eq=False)
class NetworkFaults:
    """See the module."""

    targets: Targets

    def acts(self) -> Mapping[Fault, Callable[[], Awaitable[None]]]:
        """What is done for each class."""
        return {
            Fault.DROP: self.drop,
            Fault.DELAY: self.delay,
            Fault.DUPLICATE: self.duplicate,
            Fault.REORDER: self.reset,
            Fault.RESET: self.reset,
            Fault.ONE_WAY: self.one_way,
            Fault.PARTITION: self.partition,
            Fault.RING: self.ring,
            Fault.FLAPPING: self.flap,
            Fault.ISOLATION: self.isolate,
        }

    async def drop(self) -> None:
        a, b = self.targets.any_pair()
        probability = self.targets.rng.uniform(0.05, 0.5)
        self._fired(Fault.DROP, f"{probability:.2f} between {a} and {b}")
        self.targets.network.plan.drop(a, b, probability=probability)
        self.targets.network.plan.drop(b, a, probability=probability)
        await self._heal_later((a, b))

    async def delay(self) -> None:
        a, b = self.targets.any_pair()
        least_s = self.targets.rng.uniform(0.0, 0.2)
        greatest_s = least_s + self.targets.rng.uniform(0.0, 0.3)
        self._fired(Fault.DELAY, f"{least_s:.3f} to {greatest_s:.3f} s, {a} to {b}")
        self.targets.network.plan.delay(a, b, delay_s=(least_s, greatest_s))
        await self._heal_later((a, b))

    async def duplicate(self) -> None:
        a, b = self.targets.rng.sample([node.name for node in self.targets.nodes], 2)
        network = self.targets.network
        before = network.counts["frames repeated"]
        network.duplicate(a, b, self.targets.rng.uniform(0.05, 0.5))
        await self.targets.wait()
        network.duplicate(a, b, 0.0)
        if network.counts["frames repeated"] > before:
            self._fired(Fault.DUPLICATE, f"between {a} and {b}")

    async def reset(self) -> None:
        a, b = self.targets.any_pair()
        network = self.targets.network
        with trio.move_on_after(RESET_S_MAX):
            await network.wait_sent(a, b)  # best when something is on its way
        stale = network.reset(a, b)
        self._fired(Fault.RESET, f"{a} and {b}")
        if stale:
            self._fired(Fault.REORDER, f"{stale} frames may come after newer ones")

    async def one_way(self) -> None:
        a, b = self.targets.any_pair()
        self._fired(Fault.ONE_WAY, f"{a} is not heard by {b}")
        self.targets.network.plan.silence(a, b)
        await self._heal_later((a, b))

    async def partition(self) -> None:
        rng = self.targets.rng
        if rng.random() < 0.3:
            await self._cut_pair()
            return
        names = [node.name for node in self.targets.nodes]
        leaders = self.targets.leaders
        some = rng.sample(names, rng.randint(1, len(names) - 1))
        if leaders and rng.random() < 0.5:
            some = [leaders[0].name]
        agents = [one.name for one in self.targets.machines if rng.random() < 0.3]
        others = [name for name in names if name not in some]
        self._fired(Fault.PARTITION, f"{some} from {others} and {agents}")
        pairs = [(a, b) for a in some for b in [*others, *agents]]
        for a, b in pairs:
            self.targets.network.plan.cut(a, b)
        await self._heal_later(*pairs)

    async def _cut_pair(self) -> None:
        """Two that do not hear each other, with links broken or half open."""
        a, b = self.targets.any_pair()
        plan = self.targets.network.plan
        self._fired(Fault.PARTITION, f"{a} from {b}")
        if self.targets.rng.random() < 0.5:
            plan.cut(a, b)
        else:
            plan.half_open(a, b)
        await self._heal_later((a, b))

    async def ring(self) -> None:
        names = [node.name for node in self.targets.nodes]
        self.targets.rng.shuffle(names)
        self._fired(Fault.RING, " - ".join(names))
        # Of three nodes all are neighbours in a ring: then a chain.
        last = len(names) - 1 if len(names) > 3 else len(names)
        far = [
            (names[i], names[j])
            for i, j in combinations(range(len(names)), 2)
            if 1 < j - i < last
        ]
        for a, b in far:
            self.targets.network.plan.cut(a, b)
        await self._heal_later(*far)

    async def flap(self) -> None:
        a, b = self.targets.any_pair()
        self._fired(Fault.FLAPPING, f"{a} and {b}")
        plan, rng = self.targets.network.plan, self.targets.rng
        for _ in range(rng.randint(3, 10)):
            plan.cut(a, b)
            await trio.sleep(rng.uniform(0.02, 0.5))
            plan.heal(a, b)
            await trio.sleep(rng.uniform(0.02, 0.5))

    async def isolate(self) -> None:
        """Until the others have forgotten what it lacks: it needs a snapshot."""
        targets = self.targets
        node = targets.any_node()
        others = [one for one in targets.nodes if one is not node]
        for other in others:
            targets.network.plan.cut(node.name, other.name)
        self._fired(Fault.ISOLATION, f"{node.name} until it needs a snapshot")
        lacks = node.state.index
        with trio.move_on_after(ISOLATION_S_MAX):
            # Nobody tells us; time here is free.
            while not any(one.first_index > lacks + 1 for one in others):  # noqa: ASYNC110
                await trio.sleep(0.2)
            targets.history.counts["isolated until a snapshot"] += 1
        for other in others:
            targets.network.plan.heal(node.name, other.name)

    def heal(self) -> None:
        """Everybody reaches everybody."""
        network = self.targets.network
        network.plan.heal_all()
        for a, b in combinations([node.name for node in self.targets.nodes], 2):
            network.duplicate(a, b, 0.0)

    def _fired(self, fault: Fault, text: str) -> None:
        self.targets.history.fired(fault, text)

    async def _heal_later(self, *pairs: tuple[str, str]) -> None:
        await self.targets.wait(FAULT_S_MAX)
        for a, b in pairs:
            self.targets.network.plan.heal(a, b)
