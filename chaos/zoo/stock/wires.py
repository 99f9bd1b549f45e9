"""Messages between the nodes of a group, delivered by hand or by a weather."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from typing import Any

import attrs

Deliver = Callable[[str, str, Any], None]


@attrs.frozen(kw_only=True)
class Weather:
    """What becomes of a message. Nothing is in order any more when some are late."""

    rng: random.Random
    loss: float = 0.02
    doubling: float = 0.05
    lateness: float = 0.1
    late_s_max: float = 0.6

    def delays_s(self) -> list[float]:
        """How long each copy of one message is on its way; none is lost."""
        rng = self.rng
        if rng.random() < self.loss:
            return []
        copies = 2 if rng.random() < self.doubling else 1
        return [
            rng.uniform(0.0, self.late_s_max)
            if rng.random() < self.lateness
            else rng.uniform(0.0, 0.005)
            for _ in range(copies)
        ]


@attrs.define
class Wires:
    """A wire for each ordered pair of nodes: first in, first out in fair weather.

    Attributes:
        now: Seconds of the virtual clock, which whoever owns us advances.
        cut: Pairs whose messages are dropped as they are sent.
    """

    now: float = 100.0
    weather: Weather | None = None
    cut: set[tuple[str, str]] = attrs.field(factory=set)
    _queues: dict[tuple[str, str], list[tuple[float, int, Any]]] = attrs.field(
        factory=dict, init=False
    )
    _sent: int = attrs.field(default=0, init=False)

    def send(self, sender: str, receiver: str, message: Any) -> None:
        if (sender, receiver) in self.cut:
            return
        delays_s = self.weather.delays_s() if self.weather else [0.0]
        for delay_s in delays_s:
            self._sent += 1
            queue = self._queues.setdefault((sender, receiver), [])
            heapq.heappush(queue, (self.now + delay_s, self._sent, message))

    def waiting(self, sender: str, receiver: str) -> list[Any]:
        """What is on its way, first to arrive first."""
        return [one[2] for one in sorted(self._queues.get((sender, receiver), []))]

    def take(self, sender: str, receiver: str) -> Any:
        """Take the next message off the wire, to do with it whatever one likes."""
        return heapq.heappop(self._queues[sender, receiver])[2]

    def drop(self, sender: str, receiver: str) -> None:
        """What is on its way from one to the other is lost."""
        self._queues.pop((sender, receiver), None)

    def drop_all(self) -> None:
        self._queues.clear()

    def isolate(self, name: str, others: Iterable[str]) -> None:
        """From now on it neither sends nor hears; what is on its way is lost."""
        for other in others:
            if other != name:
                self.cut |= {(name, other), (other, name)}
                self.drop(name, other)
                self.drop(other, name)

    def join(self, one: str, other: str) -> None:
        self.cut -= {(one, other), (other, one)}

    def deliver(
        self, sender: str, receiver: str, deliver: Deliver, count: int | None = None
    ) -> int:
        """Hand over up to ``count`` of the messages that are due; how many."""
        queue = self._queues.get((sender, receiver), [])
        done = 0
        while queue and queue[0][0] <= self.now and done != count:
            deliver(sender, receiver, heapq.heappop(queue)[2])
            done += 1
        return done

    def deliver_all(self, deliver: Deliver) -> None:
        """Until nothing that is due is on its way, answers included."""
        while sum(self.deliver(*pair, deliver) for pair in sorted(self._queues)):
            pass
