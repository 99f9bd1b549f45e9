"""Virtual time: what is to happen, and when, in one heap."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

Act = Callable[..., object]


class Agenda:
    """Runs what is due in order of time, and of being entered when times are equal.

    Attributes:
        now_s: Seconds since the world began.
    """

    __slots__ = ("_heap", "_number", "now_s")

    def __init__(self) -> None:
        self.now_s = 0.0
        self._heap: list[tuple[float, int, Act, tuple[Any, ...]]] = []
        self._number = 0

    def at(self, at_s: float, act: Act, *args: Any) -> None:
        """Call ``act(*args)`` at this time, at the earliest now."""
        self._number += 1
        if at_s < self.now_s:
            at_s = self.now_s
        heapq.heappush(self._heap, (at_s, self._number, act, args))

    def after(self, delay_s: float, act: Act, *args: Any) -> None:
        """Call ``act(*args)`` in so many seconds."""
        self._number += 1
        heapq.heappush(self._heap, (self.now_s + delay_s, self._number, act, args))

    def run_until(self, end_s: float) -> None:
        """Do what is due until then, and let it be then."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= end_s:
            self.now_s, _, act, args = pop(heap)
            act(*args)
        self.now_s = end_s
