"""Waiting for an answer, cheaply: tens of thousands of callers a second.

A caller has no timer and no event of its own: its task sleeps until the answer is
there, and one task, ``Deadlines.run``, wakes those whose time is over.
"""

from __future__ import annotations

import math
from collections import deque

import attrs
import trio
from trio.lowlevel import Abort, Task, current_task, reschedule, wait_task_rescheduled

from raftleader.errors import OutcomeUnknownError


class Waiter:
    """An answer to come. Settled once; what comes later is ignored."""

    __slots__ = ("_deadlines", "_error", "_result", "_task", "is_settled")

    def __init__(self, deadlines: Deadlines) -> None:
        self.is_settled = False
        self._deadlines = deadlines
        self._task: Task | None = None
        self._result: object = None
        self._error: Exception | None = None

    def done(self, result: object, error: Exception | None) -> None:
        """The answer is ``error``, or without one ``result``. Never raises."""
        if not self.is_settled:
            self.is_settled = True
            self._result, self._error = result, error
            self.wake()

    async def wait(self, *, timeout_s: float) -> object:
        """Return the result or raise the error. For one task.

        Raises OutcomeUnknownError after ``timeout_s`` seconds; that, like being
        cancelled, does not settle anything.
        """
        if self.is_settled:
            await trio.lowlevel.checkpoint()
        else:
            self._task = current_task()
            self._deadlines.expect(self, timeout_s)
            await wait_task_rescheduled(self._stop_waiting)
            if not self.is_settled:
                raise OutcomeUnknownError(f"not committed within {timeout_s} s")
        if self._error is not None:
            raise self._error
        return self._result

    def wake(self) -> None:
        """Let who waits go on, if anybody does."""
        task = self._task
        if task is not None:
            self._task = None
            reschedule(task)

    def _stop_waiting(self, _raise_cancel: object) -> Abort:
        self._task = None
        return Abort.SUCCEEDED


_Queue = deque[tuple[float, Waiter]]


@attrs.define(eq=False)
class Deadlines:
    """When whose time is over.

    Who waits stands in a queue of those who wait equally long: so each queue is in
    order of deadline, and shrinks from the left as answers come.
    """

    _queues: dict[float, _Queue] = attrs.field(factory=dict, init=False)
    _look_at: float = attrs.field(default=math.inf, init=False)
    _look_earlier: trio.Event = attrs.field(factory=trio.Event, init=False)

    def expect(self, waiter: Waiter, timeout_s: float) -> None:
        """Wake ``waiter`` after ``timeout_s`` if it is not settled by then."""
        deadline = trio.current_time() + timeout_s
        queue = self._queues.get(timeout_s)
        if queue is None:
            queue = self._queues[timeout_s] = deque()
        while queue and queue[0][1].is_settled:
            queue.popleft()
        queue.append((deadline, waiter))
        if deadline < self._look_at:
            self._look_earlier.set()

    async def run(self) -> None:
        """Keep them until cancelled."""
        while True:
            self._look_at = self._sweep(trio.current_time())
            self._look_earlier = trio.Event()
            with trio.move_on_at(self._look_at):
                await self._look_earlier.wait()

    def __len__(self) -> int:
        """How many stand in the queues, settled or not."""
        return sum(map(len, self._queues.values()))

    def _sweep(self, now: float) -> float:
        """Wake whose time is over; when to look again."""
        for timeout_s, queue in list(self._queues.items()):
            while queue and (queue[0][0] <= now or queue[0][1].is_settled):
                queue.popleft()[1].wake()
            if not queue:
                del self._queues[timeout_s]
        return min((queue[0][0] for queue in self._queues.values()), default=math.inf)
