"""Keeps faults from coming together that must not, whatever the times of a schedule.

A schedule knows how long things take on a usual machine. On a slow one a fault is
healed late, and the next must wait for it rather than hit a second of three nodes. All
that follows is late then, and no time would be left for the last ones: so who has
waited for long is given up if the class had its turn already.
"""

from __future__ import annotations

import attrs
import trio

from chaos.live.atlas import Shape, may_begin
from chaos.live.faults import Fault, Injection

LINGER_S = 1.0
"""After a fault is healed: a node that was started again then takes part again, mostly.
Where a schedule is kept, more time than that is left anyway."""

PATIENCE_S = 5.0
"""What comes again waits no longer. Small beside the quiet times and the pauses that a
schedule has anyway."""


@attrs.define
class Gate:
    """Lets injections in while the atlas bears them.

    Who waits does not hold up the others; of two that wait and exclude each other the
    one that came first goes first.
    """

    shape: Shape
    _made: set[Fault] = attrs.field(factory=set)
    """Classes that had their turn."""
    _inside: list[Injection] = attrs.field(factory=list)
    _recovering: list[tuple[Injection, float]] = attrs.field(factory=list)
    """Those that have left, and until when they count nevertheless."""
    _waiting: list[Injection] = attrs.field(factory=list)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    async def enter(self, injection: Injection) -> bool:
        """Wait until it may begin; from then on it counts. Cancelled, it does not.

        False: it is given up, and must not begin.
        """
        give_up_at = trio.current_time() + PATIENCE_S
        self._waiting.append(injection)
        try:
            await trio.lowlevel.checkpoint()
            while not self._may_enter(injection):
                ends = [until for _, until in self._recovering]
                if injection.fault in self._made:
                    if trio.current_time() >= give_up_at:
                        return False
                    ends.append(give_up_at)
                with trio.move_on_at(min(ends, default=float("inf"))):
                    await self._changed.wait()
            self._inside.append(injection)
            self._made.add(injection.fault)
            return True
        finally:
            self._waiting.remove(injection)
            self._tell()

    def leave(self, injection: Injection) -> None:
        """It is healed, or was never made. It counts for ``LINGER_S`` more."""
        self._inside.remove(injection)
        self._recovering.append((injection, trio.current_time() + LINGER_S))
        self._tell()

    def _may_enter(self, injection: Injection) -> bool:
        now = trio.current_time()
        self._recovering = [one for one in self._recovering if one[1] > now]
        inside = [*self._inside, *(one for one, _ in self._recovering)]
        earlier = self._waiting[: self._waiting.index(injection)]
        return may_begin(injection, inside, self.shape) and all(
            may_begin(injection, [other], self.shape) for other in earlier
        )

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
