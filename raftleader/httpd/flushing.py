"""Writing for many connections in one turn of the loop.

Calls that share an entry of the log are answered together, on as many connections.
One task that writes them all, without waiting for any, costs a fraction of a task
switch and a cancel scope for each.
"""

from __future__ import annotations

from typing import Protocol

import trio


class Flushable(Protocol):
    """A connection with answers to write."""

    def flush_nowait(self) -> None:
        """Write what can be written without waiting. Never raises."""


class Flushing:
    """One for each server; ``run`` it once."""

    def __init__(self) -> None:
        self._due: list[Flushable] = []
        self._wake = trio.Event()

    def flush_soon(self, connection: Flushable) -> None:
        """Have it flushed in one of the next turns of the loop."""
        self._due.append(connection)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            due, self._due = self._due, []
            for connection in due:
                connection.flush_nowait()
