"""Events on their way to the machine, from all services of one agent, in order."""

from __future__ import annotations

from collections import deque

import attrs
import trio

from agent.machine.events import Event

WAITING_EVENTS_MAX = 10_000
"""While so many wait, links are not read: the leader feels it, not our memory.
What happens on this machine itself is never refused; tasks bound it."""


@attrs.define(eq=False)
class Inbox:
    """A queue that is emptied at one go, so that a busy agent syncs less often."""

    _events: deque[Event] = attrs.field(factory=deque, init=False)
    _filled: trio.Event = attrs.field(factory=trio.Event, init=False)
    _emptied: trio.Event = attrs.field(factory=trio.Event, init=False)

    def post_nowait(self, event: Event) -> None:
        self._events.append(event)
        self._filled.set()

    async def post(self, event: Event) -> None:
        """Wait while too much is waiting. Cancelled means not posted."""
        while len(self._events) >= WAITING_EVENTS_MAX:
            await self._emptied.wait()
        self.post_nowait(event)

    async def take(self) -> list[Event]:
        """All that wait; at least one."""
        if not self._events:
            self._filled = trio.Event()
            await self._filled.wait()
        else:
            await trio.lowlevel.checkpoint()
        events = list(self._events)
        self._events.clear()
        self._emptied.set()
        self._emptied = trio.Event()
        return events
