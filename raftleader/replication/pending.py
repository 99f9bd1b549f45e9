"""Proposals that wait for an answer: bounded, each settled exactly once."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from raftleader.errors import OutcomeUnknownError, OverloadedError


class Proposal:
    """One command on its way. Settled once; what comes later is ignored."""

    def __init__(self, owner: PendingProposals, size_bytes: int) -> None:
        """Made by ``PendingProposals.admit`` alone."""
        self.size_bytes = size_bytes
        self._owner = owner
        self._settled = trio.Event()
        self._result: object = None
        self._error: Exception | None = None

    def settle(self, result: object) -> None:
        """It was committed, and the applier answered ``result``. Never raises."""
        self._finish(result, None)

    def fail(self, error: Exception) -> None:
        """It ends with ``error``. Never raises."""
        self._finish(None, error)

    async def wait(self, *, timeout_s: float) -> object:
        """Return the result or raise the error.

        Raises OutcomeUnknownError after ``timeout_s`` seconds. Then, as when it is
        cancelled, the command is still on its way and still counts as pending.
        """
        with trio.move_on_after(timeout_s):
            await self._settled.wait()
        if not self._settled.is_set():
            raise OutcomeUnknownError(f"not committed within {timeout_s} s")
        if self._error is not None:
            raise self._error
        return self._result

    def _finish(self, result: object, error: Exception | None) -> None:
        if not self._settled.is_set():
            self._result, self._error = result, error
            self._settled.set()
            self._owner.release(self)


@attrs.define(kw_only=True)
class PendingProposals:
    """All proposals of one node that are not settled yet.

    Attributes:
        count_max: Most proposals at once.
        bytes_max: Most bytes of proposals at once; one alone may be larger.
    """

    count_max: int
    bytes_max: int
    _pending: dict[int, Proposal] = attrs.field(factory=dict, init=False)
    _bytes: int = attrs.field(default=0, init=False)

    def admit(self, size_bytes: int) -> Proposal:
        """Count one more proposal. Raises OverloadedError when there is no room."""
        if len(self._pending) >= self.count_max:
            raise OverloadedError(f"{self.count_max} proposals are pending")
        if self._pending and self._bytes + size_bytes > self.bytes_max:
            raise OverloadedError(f"{self._bytes} bytes of proposals are pending")
        proposal = Proposal(self, size_bytes)
        self._pending[id(proposal)] = proposal
        self._bytes += size_bytes
        return proposal

    def release(self, proposal: Proposal) -> None:
        """For ``Proposal``: it is settled."""
        del self._pending[id(proposal)]
        self._bytes -= proposal.size_bytes

    def fail_all(self, make_error: Callable[[], Exception]) -> None:
        """Settle every pending proposal, each with an error of its own."""
        for proposal in list(self._pending.values()):
            proposal.fail(make_error())

    def __len__(self) -> int:
        return len(self._pending)
