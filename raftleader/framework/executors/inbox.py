"""Events between an executor's stream and its handlers.

Two tasks, because a handler may wait for a call that waits for the stream to be
opened again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from raftleader.framework.executors.ledger import Ledger
from raftleader.protocol.executor_api import (
    Acknowledged,
    Event,
    LaunchTask,
    LaunchTaskGroup,
    Shutdown,
)

EVENTS_WAITING_MAX = 10_000
"""More than this and the stream is not read until handlers have caught up."""


@attrs.frozen
class Loss:
    """The stream was lost; ``is_final`` if the agent was given up."""

    is_final: bool


class ExecutorInbox:
    """Keeps the ledger and a queue of what the handlers must hear."""

    def __init__(self, ledger: Ledger, on_shutdown: Callable[[], None]) -> None:
        self._ledger = ledger
        self._on_shutdown = on_shutdown
        self._events: deque[Event | Loss] = deque()
        self._arrived = trio.Event()
        self._left = trio.Event()

    async def hear(self, event: Event) -> None:
        """Take an event at once; then wait while too many wait."""
        match event:
            case Acknowledged():
                self._ledger.acknowledged(event)
            case LaunchTask(task=task):
                if self._ledger.launched(task):
                    self._put(event)
            case LaunchTaskGroup(tasks=tasks):
                new = tuple(task for task in tasks if self._ledger.launched(task))
                if new:
                    self._put(LaunchTaskGroup(tasks=new))
            case _:
                if isinstance(event, Shutdown):
                    self._on_shutdown()
                self._put(event)
        while len(self._events) > EVENTS_WAITING_MAX:
            self._left = trio.Event()
            await self._left.wait()

    def hear_loss(self, *, is_final: bool = False) -> None:
        """The stream was lost."""
        self._put(Loss(is_final))

    def _put(self, event: Event | Loss) -> None:
        self._events.append(event)
        self._arrived.set()

    async def take(self) -> Event | Loss:
        """The next event, when there is one."""
        while not self._events:
            self._arrived = trio.Event()
            await self._arrived.wait()
        self._left.set()
        return self._events.popleft()
