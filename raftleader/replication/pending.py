"""Proposals that wait for an answer: bounded, each settled exactly once."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from raftleader.errors import OverloadedError
from raftleader.replication.waiting import Deadlines, Waiter


class Proposal:
    """One command on its way. Settled once; what comes later is ignored."""

    __slots__ = ("_owner", "_waiter", "size_bytes")

    def __init__(self, owner: PendingProposals, size_bytes: int) -> None:
        """Made by ``PendingProposals.admit`` alone."""
        self.size_bytes = size_bytes
        self._owner = owner
        self._waiter = Waiter(owner.deadlines)

    def settle(self, result: object) -> None:
        """It was committed, and the applier answered ``result``. Never raises."""
        self._done(result, None)

    def fail(self, error: Exception) -> None:
        """It ends with ``error``. Never raises."""
        self._done(None, error)

    async def wait(self, *, timeout_s: float) -> object:
        """Return the result or raise the error. For one task.

        Raises OutcomeUnknownError after ``timeout_s`` seconds. Then, as when it is
        cancelled, the command is still on its way and still counts as pending.
        """
        return await self._waiter.wait(timeout_s=timeout_s)

    def _done(self, result: object, error: Exception | None) -> None:
        if not self._waiter.is_settled:
            self._owner.release(self)
            self._waiter.done(result, error)


@attrs.define(kw_only=True, eq=False)
class PendingProposals:
    """All proposals of one node that are not settled yet.

    Attributes:
        count_max: Most proposals at once.
        bytes_max: Most bytes of proposals at once; one alone may be larger.
        deadlines: Of those who wait; its ``run`` must be running.
    """

    count_max: int
    bytes_max: int
    deadlines: Deadlines = attrs.field(factory=Deadlines, init=False)
    _pending: dict[Proposal, None] = attrs.field(factory=dict, init=False)
    _bytes: int = attrs.field(default=0, init=False)

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
