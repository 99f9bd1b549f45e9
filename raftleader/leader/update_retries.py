"""Statuses that wait for their acknowledgement, and when to send them again.

After 10 s, then twice as long, up to 10 minutes: Mesos' own rhythm. A timer lives
with its stream; a new stream is sent everything anyway, and begins anew.
"""

from __future__ import annotations

import heapq

import trio

from raftleader.leader.due import DueStatus
from raftleader.leader.event_streams import FrameworkStream
from raftleader.limits import UPDATE_RETRY_S, UPDATE_RETRY_S_MAX

# When, a number that makes it unique, for which stream, what, the interval then.
_Retry = tuple[float, int, FrameworkStream, DueStatus, float]


class UpdateRetries:
    """The timers of all streams in one heap, served by one task."""

    def __init__(self) -> None:
        self._heap: list[_Retry] = []
        self._number = 0
        self._is_earlier = trio.Event()

    def add(
        self,
        stream: FrameworkStream,
        due: DueStatus,
        interval_s: float = UPDATE_RETRY_S,
    ) -> None:
        """Send ``due`` again after ``interval_s``, if it is still due then."""
        self._number += 1
        due_s = trio.current_time() + interval_s
        retry = (due_s, self._number, stream, due, interval_s)
        heapq.heappush(self._heap, retry)
        if self._heap[0] is retry:
            self._is_earlier.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._is_earlier = trio.Event()
            next_s = self._heap[0][0] if self._heap else float("inf")
            with trio.move_on_at(next_s):
                await self._is_earlier.wait()
            now_s = trio.current_time()
            while self._heap and self._heap[0][0] <= now_s:
                _, _, stream, due, interval_s = heapq.heappop(self._heap)
                self._send_again(stream, due, interval_s)

    def _send_again(
        self, stream: FrameworkStream, due: DueStatus, interval_s: float
    ) -> None:
        if stream.is_ended or stream.updates.get(due.name) != due.uuid:
            return
        if stream.status_of(due) is None:
            del stream.updates[due.name]
            return
        stream.put(due)
        self.add(stream, due, min(interval_s * 2, UPDATE_RETRY_S_MAX))
