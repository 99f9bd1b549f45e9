"""Keeps faults from coming together that must not, whatever the times of a schedule.

A schedule knows how long things take on a usual machine. On a slow one a fault is
healed late, and the next must wait for it rather than hit a second of three nodes.
"""

from __future__ import annotations

import attrs
import trio

from chaos.live.atlas import Shape, may_begin
from chaos.live.faults import Injection


@attrs.define
class Gate:
    """Lets injections in while the atlas bears them.

    Who waits does not hold up the others; of two that wait and exclude each other the
    one that came first goes first.
    """

    shape: Shape
    _inside: list[Injection] = attrs.field(factory=list)
    _waiting: list[Injection] = attrs.field(factory=list)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    async def enter(self, injection: Injection) -> None:
        """Wait until it may begin; from then on it counts. Cancelled, it does not."""
        self._waiting.append(injection)
        try:
            await trio.lowlevel.checkpoint()
            while not self._may_enter(injection):
                await self._changed.wait()
            self._inside.append(injection)
        finally:
            self._waiting.remove(injection)
            self._tell()

    def leave(self, injection: Injection) -> None:
        """It is healed, or was never made."""
        self._inside.remove(injection)
        self._tell()

    def _may_enter(self, injection: Injection) -> bool:
        earlier = self._waiting[: self._waiting.index(injection)]
        return may_begin(injection, self._inside, self.shape) and all(
            may_begin(injection, [other], self.shape) for other in earlier
        )

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
