"""How the leader's own services put commands in the queue."""

from __future__ import annotations

from typing import Protocol

from raftleader.leader.tickets import PendingTicket, Settled
from raftleader.state.commands import Command


class Submit(Protocol):
    """``Proposals.submit``, as services see it."""

    def __call__(self, command: Command, told: Settled | None = None) -> PendingTicket:
        """Raises NotLeaderError or OverloadedError; otherwise ``told`` is called."""
