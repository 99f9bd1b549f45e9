"""Proposals that wait for an answer: bounded, each settled exactly once.

Tens of thousands a second pass here, so a proposal has no timer and no event of its
own: its task sleeps until it is settled, and one task, ``PendingProposals.run``,
wakes those whose time is over.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs
import trio
from trio.lowlevel import Abort, Task, current_task, reschedule, wait_task_rescheduled

from raftleader.errors import OutcomeUnknownError, OverloadedError


class Proposal:
    """One command on its way. Settled once; what comes later is ignored."""

    __slots__ = ("_error", "_owner", "_result", "_waiter", "is_settled", "size_bytes")

    def __init__(self, owner: PendingProposals, size_bytes: int) -> None:
        """Made by ``PendingProposals.admit`` alone."""
        self.size_bytes = size_bytes
        self.is_settled = False
        self._owner = owner
        self._waiter: Task | None = None
        self._result: object = None
        self._error: Exception | None = None

    def settle(self, result: object) -> None:
        """It was committed, and the applier answered ``result``. Never raises."""
        self.done(result, None)

    def fail(self, error: Exception) -> None:
        """It ends with ``error``. Never raises."""
        self.done(None, error)

    def done(self, result: object, error: Exception | None) -> None:
        """It ends with ``error``, or without one with ``result``. Never raises."""
        if self.is_settled:
            return
        self.is_settled = True
        self._result, self._error = result, error
        self._owner.release(self)
        self.wake()

    async def wait(self, *, timeout_s: float) -> object:
        """Return the result or raise the error. For one task.

        Raises OutcomeUnknownError after ``timeout_s`` seconds. Then, as when it is
        cancelled, the command is still on its way and still counts as pending.
        """
        if self.is_settled:
            await trio.lowlevel.checkpoint()
        else:
            self._waiter = current_task()
            self._owner.expect(self, timeout_s)
            await wait_task_rescheduled(self._stop_waiting)
            if not self.is_settled:
                raise OutcomeUnknownError(f"not committed within {timeout_s} s")
        if self._error is not None:
            raise self._error
        return self._result

    def wake(self) -> None:
        """Let who waits go on, if anybody does."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            reschedule(waiter)

    def _stop_waiting(self, _raise_cancel: object) -> Abort:
        self._waiter = None
        return Abort.SUCCEEDED


_Queue = deque[tuple[float, Proposal]]


@attrs.define(kw_only=True, eq=False)
class PendingProposals:
    """All proposals of one node that are not settled yet.

    Attributes:
        count_max: Most proposals at once.
        bytes_max: Most bytes of proposals at once; one alone may be larger.
    """

    count_max: int
    bytes_max: int
    _pending: dict[Proposal, None] = attrs.field(factory=dict, init=False)
    _bytes: int = attrs.field(default=0, init=False)
    _queues: dict[float, _Queue] = attrs.field(factory=dict, init=False)
    """Who waits until when, by the length of the wait: so each queue is in order of
    deadline, and shrinks from the left as proposals are settled."""
    _sweep_at: float = attrs.field(default=math.inf, init=False)
    _sweep_earlier: trio.Event = attrs.field(factory=trio.Event, init=False)

    def admit(self, size_bytes: int) -> Proposal:
        """Count one more proposal. Raises OverloadedError when there is no room."""
        if len(self._pending) >= self.count_max:
            raise OverloadedError(f"{self.count_max} proposals are pending")
        if self._pending and self._bytes + size_bytes > self.bytes_max:
            raise OverloadedError(f"{self._bytes} bytes of proposals are pending")
        proposal = Proposal(self, size_bytes)
        self._pending[proposal] = None
        self._bytes += size_bytes
        return proposal

    def release(self, proposal: Proposal) -> None:
        """For ``Proposal``: it is settled."""
        del self._pending[proposal]
        self._bytes -= proposal.size_bytes

    def fail_all(self, make_error: Callable[[], Exception]) -> None:
        """Settle every pending proposal, each with an error of its own."""
        for proposal in list(self._pending):
            proposal.fail(make_error())

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self, proposal: Proposal, timeout_s: float) -> None:
        """For ``Proposal``: wake it ``timeout_s`` from now if nothing else does."""
        deadline = trio.current_time() + timeout_s
        queue = self._queues.get(timeout_s)
        if queue is None:
            queue = self._queues[timeout_s] = deque()
        while queue and queue[0][1].is_settled:
            queue.popleft()
        queue.append((deadline, proposal))
        if deadline < self._sweep_at:
            self._sweep_earlier.set()

    async def run(self) -> None:
        """Keep the deadlines of those who wait, until cancelled."""
        while True:
            self._sweep_at = self._sweep(trio.current_time())
            self._sweep_earlier = trio.Event()
            with trio.move_on_at(self._sweep_at):
                await self._sweep_earlier.wait()

    def _sweep(self, now: float) -> float:
        """Wake whose time is over; when to look again."""
        for timeout_s, queue in list(self._queues.items()):
            while queue and (queue[0][0] <= now or queue[0][1].is_settled):
                queue.popleft()[1].wake()
            if not queue:
                del self._queues[timeout_s]
        return min((queue[0][0] for queue in self._queues.values()), default=math.inf)
