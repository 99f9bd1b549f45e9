"""A command on its way into the log, as whoever submitted it sees it."""

from __future__ import annotations

from collections.abc import Callable

import trio

from raftleader.errors import RaftLeaderError
from raftleader.state.commands import Command
from raftleader.state.outcomes import Outcome

Settled = Callable[[Outcome | RaftLeaderError], None]
"""Told the outcome, or the error that ends the waiting. Must not raise or block."""


class PendingTicket:
    """A ``Ticket``: settled exactly once, by the proposals it belongs to.

    Attributes:
        size_bytes: What the command adds to an entry.
        since_s: When it was submitted, on trio's clock.
    """

    __slots__ = ("_event", "_result", "_told", "command", "since_s", "size_bytes")

    def __init__(
        self, command: Command, size_bytes: int, since_s: float, told: Settled | None
    ) -> None:
        """``told`` is called once, when the ticket is settled."""
        self.command = command
        self.size_bytes = size_bytes
        self.since_s = since_s
        self._told = told
        self._result: Outcome | RaftLeaderError | None = None
        # Made only if somebody waits: most commands of the leader's own are told.
        self._event: trio.Event | None = None

    def settle(self, result: Outcome | RaftLeaderError) -> None:
        """This is how it ended. A second call is ignored."""
        if self._result is not None:
            return
        self._result = result
        if self._event is not None:
            self._event.set()
        if self._told is not None:
            self._told(result)

    async def wait(self) -> Outcome:
        """See ``Ticket.wait``. Cancelling it does not take the command back."""
        if self._result is None:
            self._event = trio.Event()
            await self._event.wait()
        assert self._result is not None
        if isinstance(self._result, RaftLeaderError):
            raise self._result
        return self._result
