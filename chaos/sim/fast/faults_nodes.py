"""Faults of the leader nodes: processes, disks, clocks, members."""

from __future__ import annotations

import functools
from collections.abc import Callable

from chaos.sim.fast.means import Means
from chaos.sim.options import Fault

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
"""Where a node may die. Those of snapshots are passed rarely: they are drawn as often
as the others all the same."""
JUMP_MS = 3_600_000


class NodeFaults:
    """One method for each class; each says whether it did something."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._last_leader: str | None = None

    def acts(self) -> dict[Fault, Callable[[], bool]]:
        """What to call, by class."""
        return {
            Fault.CRASH: self._crash,
            Fault.CRASH_AT_POINT: self._crash_at_point,
            Fault.CRASH_AT_DISK: self._crash_at_disk,
            Fault.CRASH_ALL: self._crash_all,
            Fault.PAUSE: self._pause,
            Fault.ROLLING_RESTART: self._rolling_restart,
            Fault.FAILED_SYNC: self._fail_sync,
            Fault.FULL_DISK: self._fill_disk,
            Fault.SLOW_DISK: self._slow_disk,
            Fault.LOST_DISK: self._lose_disk,
            Fault.CLOCK_JUMP: self._jump_clock,
            Fault.MEMBERSHIP: self._change_members,
            Fault.TRANSFER: self._transfer,
        }

    def _crash(self) -> bool:
        means = self._means
        node = means.node()
        if not node.is_up:
            return False
        node.crash("killed", is_power_cut=node.is_power_cut())
        return True

    def _crash_at_point(self) -> bool:
        means = self._means
        node = means.node()
        point = means.rng.choice(POINTS)
        count = (
            0
            if "-" in point and point.startswith(("snap", "inst"))
            else (means.rng.randint(0, 5))
        )
        node.crash_point = (point, count)
        return node.is_up

    def _crash_at_disk(self) -> bool:
        means = self._means
        node = means.node()
        node.disk.cut_power_in(means.rng.choice((2, 4, 6, 11, 20)))
        return node.is_up

    def _crash_all(self) -> bool:
        """At once, or one shortly after the other."""
        means = self._means
        is_power_cut = means.rng.choice(means.nodes).is_power_cut()
        spread_s = means.rng.choice((0.0, 0.0, 0.05))
        for node in means.nodes:
            crash = functools.partial(node.crash, "all", is_power_cut=is_power_cut)
            means.later(crash, spread_s * means.rng.random())
        return True

    def _pause(self) -> bool:
        means = self._means
        node = means.node()
        if node.life is None or not node.is_up:
            return False
        node.life.pause(means.rng.uniform(0.05, 2.5))
        return True

    def _rolling_restart(self) -> bool:
        means = self._means
        at_s = 0.0
        for node in means.nodes:
            means.later(node.stop, at_s)
            at_s += means.rng.uniform(0.05, 0.5)
            means.later(node.start, at_s)
            at_s += means.rng.uniform(0.3, 1.5)
        return True

    def _fail_sync(self) -> bool:
        means = self._means
        node = means.node()
        node.disk.fail_next_sync()
        return node.is_up

    def _fill_disk(self) -> bool:
        means = self._means
        node = means.node()
        if node.disk.room_bytes is not None:
            return False
        node.disk.room_bytes = means.rng.choice((0, 0, 2_000, 40_000))

        def free() -> None:
            node.disk.room_bytes = None

        means.later(free)
        return True

    def _slow_disk(self) -> bool:
        means = self._means
        node = means.node()
        rng, longest_s = means.rng, means.rng.choice((0.005, 0.03, 0.3))
        node.disk.stall = lambda: longest_s * rng.random() ** 2

        def mend() -> None:
            node.disk.stall = None

        means.later(mend)
        return True

    def _lose_disk(self) -> bool:
        means = self._means
        return means.operator.lose_disk(means.node())

    def _jump_clock(self) -> bool:
        means = self._means
        node = means.rng.choice(means.nodes)
        node.wall_offset_ms += means.rng.randint(-JUMP_MS, JUMP_MS)
        return True

    def _change_members(self) -> bool:
        means = self._means
        return means.operator.replace(means.node())

    def _transfer(self) -> bool:
        """Sometimes to and fro: what was said in one reign of a node may come in its
        next."""
        means = self._means
        is_done = self._hand_over(None)
        for number in range(1, means.rng.choice((1, 3, 5))):
            means.later(self._hand_over_again, number * means.rng.uniform(0.2, 1.0))
        return is_done

    def _hand_over_again(self) -> None:
        self._hand_over(self._last_leader)

    def _hand_over(self, target: str | None) -> bool:
        means = self._means
        leading = [node for node in means.nodes if node.leader is not None]
        if not leading or leading[0].life is None:
            return False
        others = [name for name in means.names() if name != leading[0].name]
        if target not in others:
            target = means.rng.choice(others)
        self._last_leader = leading[0].name
        leading[0].life.asks.transfer(target, lambda result, error: None)
        return True
