"""The clocks of one node: they may be wrong, jump, and run fast or slow."""

from __future__ import annotations

import attrs

from chaos.sim.whole.clock import VirtualClock

WALL_MS = 1_700_000_000_000
"""Where the wall clocks stand when a run begins."""


@attrs.define
class WallClock:
    """What one machine takes for the time.

    Attributes:
        offset_ms: How far its wall clock is off; may be changed at any time.
        rate: Its seconds in a true second. Fixed: a clock that never goes back must
            not, when its rate changes.
    """

    true: VirtualClock
    offset_ms: int = 0
    rate: float = 1.0

    def wall_ms(self) -> int:
        return WALL_MS + self.offset_ms + round(self.monotonic_s() * 1000)

    def monotonic_s(self) -> float:
        return self.true.now_s * self.rate
