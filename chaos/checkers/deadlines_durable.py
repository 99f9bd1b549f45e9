"""P7: deadlines are neither shortened nor forgotten, whoever leads."""

from __future__ import annotations

from collections.abc import Iterable

from raftleader.protocol.ids import FrameworkId, OfferId
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import Entry, TeardownFramework

RATE_MAX = 1.12
"""Clocks drift; of the faults of the simulation, not more than this."""
LATE_MS = 10_000
"""An entry is seen so long after it was stamped, at most, where that is not known."""


class DeadlinesDurable:
    """Looks at the state after every entry.

    Attributes:
        rate_max: Cluster time may run so much faster than time.
    """

    name = "P7 deadlines are durable"

    def __init__(self) -> None:
        self.rate_max = RATE_MAX
        self._clock_ms = 0
        self._began: tuple[float, int] | None = None
        self._offers: dict[OfferId, int] = {}
        self._frameworks: dict[FrameworkId, tuple[int, int | None]] = {}
        self._removed: set[FrameworkId] = set()

    def applied(
        self, entry: Entry | None, state: ClusterState, now_s: float
    ) -> list[str]:
        """``state`` after ``entry``, at this time of the world."""
        problems = self._clock(state, now_s)
        offers = self._offers
        if offers.keys() != state.offers.keys():
            offers = {one: offers[one] for one in offers if one in state.offers}
            self._offers = offers
        for offer_id, offer in state.offers.items():
            if offers.setdefault(offer_id, offer.expires_ms) != offer.expires_ms:
                problems.append(
                    f"entry {state.index} moves the end of offer {offer_id} from"
                    f" {offers[offer_id]} to {offer.expires_ms}"
                )
        for framework_id, framework in state.frameworks.items():
            if framework_id in self._removed:
                problems.append(f"{framework_id} was removed, and is registered again")
            now = (framework.subscription, framework.deadline_ms)
            before = self._frameworks.get(framework_id)
            if now == before:
                continue
            self._frameworks[framework_id] = now
            if before is not None and before[0] == now[0] and before[1] is not None:
                problems.append(
                    f"entry {state.index} moves the deadline of {framework_id} from"
                    f" {before[1]} to {now[1]}"
                )
            elif now[1] is not None:
                least_ms = state.clock_ms + framework.info.failover_timeout_ms
                if now[1] < least_ms:
                    problems.append(f"{framework_id} has less than its timeout left")
        if len(self._frameworks) > len(state.frameworks):
            problems += self._gone(entry, state)
        return problems

    def ended(self, overdue: Iterable[str]) -> list[str]:
        """The faults are long over; what was due long ago and is not done."""
        return [f"{text} is overdue" for text in overdue]

    def _clock(self, state: ClusterState, now_s: float) -> list[str]:
        problems = []
        if state.clock_ms < self._clock_ms:
            problems.append(f"cluster time goes back at entry {state.index}")
        if state.clock_ms > self._clock_ms:
            if self._began is None:
                self._began = (now_s, state.clock_ms)
            began_s, began_ms = self._began
            most_ms = began_ms + (now_s - began_s) * 1000 * self.rate_max + LATE_MS
            if state.clock_ms > most_ms:
                problems.append(
                    f"at entry {state.index} cluster time has run"
                    f" {state.clock_ms - began_ms} ms in {now_s - began_s:.3f} s"
                )
                self._began = (now_s, state.clock_ms)
        self._clock_ms = state.clock_ms
        return problems

    def _gone(self, entry: Entry | None, state: ClusterState) -> list[str]:
        problems = []
        torn_down = {
            command.framework_id
            for command in (entry.commands if entry is not None else ())
            if isinstance(command, TeardownFramework)
        }
        for framework_id in list(self._frameworks):
            if framework_id in state.frameworks:
                continue
            _, deadline_ms = self._frameworks.pop(framework_id)
            self._removed.add(framework_id)
            if framework_id in torn_down:
                continue
            if deadline_ms is None or deadline_ms > state.clock_ms:
                problems.append(
                    f"entry {state.index} removes {framework_id} at {state.clock_ms},"
                    f" whose deadline was {deadline_ms}"
                )
        return problems
