"""Starts tasks and executors, one after the other, and never so many that the loop
stands still. What is to be fetched for them is fetched before, a few at a time, and
nothing else waits for it."""

from __future__ import annotations

import logging
from collections import Counter

import attrs
import trio

from agent.containerizer.interface import Containerizer, Launch, StartError
from agent.fetcher.bounds import FETCHES_MAX, FETCHES_PER_FRAMEWORK_MAX
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
    _unfetched: dict[ProcessKey, Launch] = attrs.field(factory=dict, init=False)
    _fetching: dict[ProcessKey, trio.CancelScope] = attrs.field(
        factory=dict, init=False
    )
    _waiting: dict[ProcessKey, Launch] = attrs.field(factory=dict, init=False)
    _woken: trio.Event = attrs.field(factory=trio.Event, init=False)

    def add(self, launch: Launch) -> None:
        is_ready = launch.is_fetched or not launch.command.uris
        (self._waiting if is_ready else self._unfetched)[launch.key] = launch
        self._woken.set()

    def cancel(self, key: ProcessKey) -> None:
        """Drop it if it has not been started; then StartCancelled is posted, when
        nothing of a fetch goes on."""
        if key in self._fetching:
            self._fetching[key].cancel()
            return
        for launches in (self._waiting, self._unfetched):
            if launches.pop(key, None) is not None:
                self.inbox.post_nowait(StartCancelled(key))

    async def run(self) -> None:
        """Start what waits, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                while (launch := self._next_to_fetch()) is not None:
                    del self._unfetched[launch.key]
                    self._fetching[launch.key] = scope = trio.CancelScope()
                    nursery.start_soon(self._fetch, launch, scope)
                for _ in range(min(STARTS_PER_TURN, len(self._waiting))):
                    self._start(self._waiting.pop(next(iter(self._waiting))))
                if self._waiting:
                    await trio.lowlevel.checkpoint()
                else:
                    self._woken = trio.Event()
                    await self._woken.wait()

    def _next_to_fetch(self) -> Launch | None:
        if not self._unfetched or len(self._fetching) >= FETCHES_MAX:
            return None
        counts = Counter(_framework_of(key) for key in self._fetching)
        for key, launch in self._unfetched.items():
            if counts[_framework_of(key)] < FETCHES_PER_FRAMEWORK_MAX:
                return launch
        return None

    async def _fetch(self, launch: Launch, scope: trio.CancelScope) -> None:
        problem: StartError | None = None
        with scope:
            try:
                await self.containerizer.fetch(launch)
            except StartError as error:
                problem = error
        del self._fetching[launch.key]
        if scope.cancel_called:
            self.inbox.post_nowait(StartCancelled(launch.key))
        elif problem is not None:
            self._fail(launch, problem)
        else:
            self._waiting[launch.key] = attrs.evolve(launch, is_fetched=True)
        self._woken.set()

    def _start(self, launch: Launch) -> None:
        try:
            mark = self.containerizer.start_nowait(launch)
        except StartError as error:
            self._fail(launch, error)
        else:
            self.inbox.post_nowait(ProcessStarted(launch.key, mark))

    def _fail(self, launch: Launch, error: StartError) -> None:
        logger.info("%s: %s", _name(launch.key), error)
        self.inbox.post_nowait(StartFailed(launch.key, str(error)))


def _framework_of(key: ProcessKey) -> str:
    return key.framework_id if isinstance(key, ExecutorRun) else key[0]


def _name(key: ProcessKey) -> str:
    if isinstance(key, ExecutorRun):
        return f"executor {key.executor_id} of {key.framework_id}"
    return f"task {key[1]} of {key[0]}"
