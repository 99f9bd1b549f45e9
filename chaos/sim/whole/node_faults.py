"""Faults of the leader nodes: they die, stand still, and have bad disks and clocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
import trio

from chaos.sim.options import Fault
from chaos.sim.whole.machine import SimulatedMachine
from chaos.sim.whole.node import SimulatedNode
from chaos.sim.whole.targets import Targets

POINTS = (
    "before-sync",
    "after-sync",
    "before-send",
    "after-send",
    "before-apply",
    "after-apply",
    "snapshot-begin",
    "snapshot-written",
    "snapshot-finish",
    "snapshot-stored",
    "snapshot-compacted",
    "install-received",
    "install-complete",
    "install-restored",
    "install-reset",
)
POINT_S_MAX = 4.0
"""A node that does not come to the point in this time is spared."""
DISK_OPERATIONS_MAX = 40
SYNC_S_MAX = 0.25
"""Longest sync of a slow disk: more than the shortest election timeout."""
PAUSE_S = 0.6
PAUSE_S_MAX = 4.0
JUMP_MS = 3_600_000


@attrs.define(eq=False)
class NodeFaults:
    """See the module."""

    targets: Targets

    def acts(self) -> Mapping[Fault, Callable[[], Awaitable[None]]]:
        """What is done for each class."""
        return {
            Fault.CRASH: self.crash,
            Fault.CRASH_AT_POINT: self.crash_at_point,
            Fault.CRASH_AT_DISK: self.crash_at_disk,
            Fault.CRASH_ALL: self.crash_all,
            Fault.PAUSE: self.pause,
            Fault.ROLLING_RESTART: self.rolling_restart,
            Fault.LOST_WRITES: self.crash_at_disk,
            Fault.TORN_WRITES: self.crash_at_disk,
            Fault.BIT_FLIPS: self.crash_at_disk,
            Fault.FAILED_SYNC: self.fail_sync,
            Fault.FULL_DISK: self.fill_disk,
            Fault.SLOW_DISK: self.slow_disk,
            Fault.CLOCK_JUMP: self.jump_clock,
        }

    async def crash(self) -> None:
        node = self.targets.any_node()
        self.targets.history.fired(Fault.CRASH, node.name)
        await self._crash(node)
        await self._start_later(node)

    async def crash_all(self) -> None:
        self.targets.history.fired(Fault.CRASH_ALL, "every node")
        is_power_cut = self._draws(0.5)
        async with trio.open_nursery() as nursery:
            for node in self.targets.nodes:
                nursery.start_soon(self._crash_so, node, is_power_cut)
        async with trio.open_nursery() as nursery:
            for node in self.targets.nodes:
                nursery.start_soon(self._start_later, node)

    async def crash_at_point(self) -> None:
        node = self.targets.any_node()
        point = self.targets.rng.choice(POINTS)
        node.die_at(point, self.targets.rng.randint(1, 3))
        if await self._has_died(node):
            self.targets.history.fired(Fault.CRASH_AT_POINT, f"{node.name} {point}")
            await self._start_later(node)
        node.forget_points()

    async def crash_at_disk(self) -> None:
        node = self.targets.any_node()
        node.disk.cut_power_in(self.targets.rng.randint(1, DISK_OPERATIONS_MAX))
        if await self._has_died(node):
            self.targets.history.fired(Fault.CRASH_AT_DISK, node.name)
            await self._start_later(node)

    async def fail_sync(self) -> None:
        node = self.targets.any_node()
        node.disk.fail_next_sync()
        if await self._has_died(node):
            await self._start_later(node)

    async def fill_disk(self) -> None:
        node = self.targets.any_node()
        self.targets.history.note(f"the disk of {node.name} is full")
        node.disk.room_bytes = 0
        await self.targets.wait()
        node.disk.room_bytes = None
        if node.is_out_of_room:
            await node.start()

    async def slow_disk(self) -> None:
        node, rng = self.targets.any_node(), self.targets.rng
        self.targets.history.note(f"the disk of {node.name} is slow")
        longest_s = rng.uniform(0.01, SYNC_S_MAX)
        node.disk.stall = lambda: rng.uniform(0.0, longest_s)
        await self.targets.wait()
        node.disk.stall = None

    async def pause(self) -> None:
        rng = self.targets.rng
        seconds = min(rng.expovariate(1 / PAUSE_S), PAUSE_S_MAX)
        if rng.random() < 0.75:
            node = self.targets.any_node()
            node.pause(seconds)
            name = node.name
        else:
            machine = rng.choice(self.targets.machines)
            machine.pause(seconds)
            name = machine.name
        self.targets.history.fired(Fault.PAUSE, f"{name} for {seconds:.3f} s")
        await trio.sleep(seconds)

    async def rolling_restart(self) -> None:
        self.targets.history.fired(Fault.ROLLING_RESTART, "all nodes in turn")
        for node in self.targets.nodes:
            await node.stop()
            await trio.sleep(self.targets.rng.uniform(0.0, 0.5))
            await node.start()
            await trio.sleep(self.targets.rng.uniform(0.0, 1.5))

    async def jump_clock(self) -> None:
        owners: list[SimulatedNode | SimulatedMachine] = [*self.targets.nodes]
        owner = self.targets.rng.choice([*owners, *self.targets.machines])
        owner.clock.offset_ms = self.targets.rng.randint(-JUMP_MS, JUMP_MS)
        text = f"{owner.name} is {owner.clock.offset_ms} ms off"
        self.targets.history.fired(Fault.CLOCK_JUMP, text)

    def heal(self) -> None:
        """Disks and clocks work from now on, and nobody is held back."""
        for node in self.targets.nodes:
            node.forget_points()
            node.disk.mend()
            node.process.go_on()
        for machine in self.targets.machines:
            machine.process.go_on()

    # --- Within ---------------------------------------------------------------------

    async def _crash(self, node: SimulatedNode) -> None:
        await self._crash_so(node, self._draws(0.5))

    async def _crash_so(self, node: SimulatedNode, is_power_cut: bool) -> None:
        await node.crash(
            is_power_cut=is_power_cut, is_sudden=is_power_cut and self._draws(0.4)
        )

    def _draws(self, probability: float) -> bool:
        return self.targets.rng.random() < probability

    async def _start_later(self, node: SimulatedNode) -> None:
        await self.targets.wait()
        await node.start()

    async def _has_died(self, node: SimulatedNode) -> bool:
        """Within a while, by itself."""
        if not node.lives.is_up:
            return False
        crashes = node.deaths
        with trio.move_on_after(POINT_S_MAX):
            await node.lives.wait_ended()
        return node.deaths > crashes
