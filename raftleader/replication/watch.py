"""A node's view of who leads, which others can wait on."""

from __future__ import annotations

import trio

from raftleader.replication.interface import Leadership


class LeadershipWatch:
    """The latest ``Leadership``, and a way to wait for the next one."""

    def __init__(self) -> None:
        self.current = Leadership(term=0, leader=None, leading=False)
        self._changed = trio.Event()

    def update(self, leadership: Leadership) -> None:
        """Publish a view; waiters wake only if it differs from the last."""
        if leadership != self.current:
            self.current = leadership
            self._changed.set()
            self._changed = trio.Event()

    async def wait_changed(self, seen: Leadership) -> Leadership:
        """Return as soon as ``current`` differs from ``seen``. Cancel-safe."""
        while self.current == seen:
            await self._changed.wait()
        return self.current
