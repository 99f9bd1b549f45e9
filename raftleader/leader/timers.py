"""PassTime, when the log's next deadline has come."""

from __future__ import annotations

import trio

from raftleader.errors import RaftLeaderError
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.submitting import Submit
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import PassTime
from raftleader.state.inverse_offers import next_inverse_deadline_ms
from raftleader.state.outcomes import Touched
from raftleader.state.queries import next_deadline_ms

LOOK_S_MAX = 1.0
"""Longest time between two looks at the deadlines: how late a PassTime may be, but
for a framework's (its failover timeout may be zero, so we look at once)."""
LOOK_S_MIN = 0.05
"""Shortest time between two looks: each goes over all offers and frameworks."""


class Timers:
    """Proposes PassTime for as long as the term lasts."""

    def __init__(
        self, state: ClusterState, *, clock: ClusterClock, submit: Submit
    ) -> None:
        self._state = state
        self._clock = clock
        self._submit = submit
        self._framework_changed = trio.Event()

    def on_applied(self, touched: Touched) -> None:
        """A framework's deadline may be the next one now."""
        if touched.frameworks:
            self._framework_changed.set()

    async def run(self) -> None:
        """Until cancelled. What is due is proposed once at a time, and again as
        long as it stays due."""
        while True:
            deadline_ms = _next_deadline_ms(self._state)
            wait_s = LOOK_S_MAX
            if deadline_ms is not None:
                wait_s = (deadline_ms - self._clock.now_ms()) / 1000
            if wait_s <= 0:
                await self._pass_time()
                wait_s = LOOK_S_MIN
            self._framework_changed = trio.Event()
            await trio.sleep(LOOK_S_MIN)
            rest_s = min(wait_s, LOOK_S_MAX) - LOOK_S_MIN
            with trio.move_on_after(max(0.0, rest_s)):  # it may have come meanwhile
                await self._framework_changed.wait()

    async def _pass_time(self) -> None:
        try:
            await self._submit(PassTime()).wait()
        except RaftLeaderError:
            return  # it stays due; if we no longer lead, we are cancelled


def _next_deadline_ms(state: ClusterState) -> int | None:
    deadlines = (next_deadline_ms(state), next_inverse_deadline_ms(state))
    return min((ms for ms in deadlines if ms is not None), default=None)
