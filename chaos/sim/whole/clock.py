"""Time that jumps: to the next moment at which anybody wants something.

A trio clock that also keeps a list of calls to make. When every task waits, trio asks
it how long to sleep; instead of sleeping it moves on to the next deadline or call,
whichever comes first. So an hour takes no time, and a frame on its way needs no task
that waits for it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import attrs
import trio

STANDSTILLS_MAX = 100


@attrs.define(eq=False)
class VirtualClock(trio.abc.Clock):
    """Seconds since the run began.

    Attributes:
        now_s: The time.
        on_standstill: Called when every task waits, and nothing will ever happen.
    """

    now_s: float = 0.0
    on_standstill: Callable[[], object] = lambda: None
    _calls: list[tuple[float, int, Callable[[], object]]] = attrs.field(
        factory=list, init=False
    )
    _calls_made: int = attrs.field(default=0, init=False)
    _standstills: int = attrs.field(default=0, init=False)

    def call_at(self, at_s: float, function: Callable[[], object]) -> None:
        """Call ``function`` at that time, outside of any task.

        It may wake tasks, and must not raise. Calls for one time are made in the
        order in which they were asked for; one for the past is made at once when
        everybody waits.
        """
        self._calls_made += 1
        heapq.heappush(self._calls, (at_s, self._calls_made, function))

    # --- trio.abc.Clock -------------------------------------------------------------

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self.now_s

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Never sleeps. Trio calls this only when no task can run."""
        calls = self._calls
        next_s = min(deadline, calls[0][0]) if calls else deadline
        if next_s == math.inf:
            return self._stand_still()
        if next_s > self.now_s:
            self.now_s = next_s
        while calls and calls[0][0] <= self.now_s:
            heapq.heappop(calls)[2]()
        self._standstills = 0
        return 0.0

    def _stand_still(self) -> float:
        # When a run ends, trio wakes a task of its own through the system.
        self._standstills += 1
        if self._standstills == STANDSTILLS_MAX:
            self.on_standstill()
        return 0.01
