"""Starts tasks and executors, one after the other, and never so many that the loop
stands still."""

from __future__ import annotations

import logging

import attrs
import trio

from agent.containerizer.interface import Containerizer, Launch, StartError
from agent.inbox import Inbox
from agent.machine.events import ProcessStarted, StartCancelled, StartFailed
from agent.records import ExecutorRun, ProcessKey

logger = logging.getLogger(__name__)

STARTS_PER_TURN = 4
"""A start holds the loop for about half a millisecond: pings, updates and ends get
their turn after so many."""


@attrs.define(eq=False)
class Starter:
    """What waits to be started, in order. What is in it is on disk as taken."""

    containerizer: Containerizer
    inbox: Inbox
    _waiting: dict[ProcessKey, Launch] = attrs.field(factory=dict, init=False)
    _woken: trio.Event = attrs.field(factory=trio.Event, init=False)

    def add(self, launch: Launch) -> None:
        self._waiting[launch.key] = launch
        self._woken.set()

    def cancel(self, key: ProcessKey) -> None:
        """Drop it if it has not been started; then StartCancelled is posted."""
        if self._waiting.pop(key, None) is not None:
            self.inbox.post_nowait(StartCancelled(key))

    async def run(self) -> None:
        """Start what waits, until cancelled."""
        while True:
            for _ in range(min(STARTS_PER_TURN, len(self._waiting))):
                self._start(self._waiting.pop(next(iter(self._waiting))))
            if self._waiting:
                await trio.lowlevel.checkpoint()
            else:
                self._woken = trio.Event()
                await self._woken.wait()

    def _start(self, launch: Launch) -> None:
        try:
            mark = self.containerizer.start_nowait(launch)
        except StartError as error:
            logger.info("%s: %s", _name(launch.key), error)
            self.inbox.post_nowait(StartFailed(launch.key, str(error)))
        else:
            self.inbox.post_nowait(ProcessStarted(launch.key, mark))


def _name(key: ProcessKey) -> str:
    if isinstance(key, ExecutorRun):
        return f"executor {key.executor_id} of {key.framework_id}"
    return f"task {key[1]} of {key[0]}"
